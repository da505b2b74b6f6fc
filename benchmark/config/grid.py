"""A grid: a product of data sets, methods, hyper-parameters and seeds; each member is a run."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from benchmark.config import settings as hyper_parameters
from benchmark.config.parse import Names, Seeds, count, names, seeds
from benchmark.config.run import Run
from benchmark.config.settings import Given, Settings
from benchmark.errors import UserError, unknown
from benchmark.registry import DATASETS, METHODS
from methods.base import Method, Sees, defaults

BUDGETS = ("quick", "paper")
PRECISIONS = ("auto", "float32", "bfloat16")
QUICK_STEPS = 1_000
REFERENCES = ("untrained", "random", "truth")


@dataclass(frozen=True)
class Grid:
    """A product of data sets, methods, hyper-parameters and seeds.

    Attributes:
        methods, datasets: registered names.
        seeds: of each.
        settings: the values to try, by method and hyper-parameter.
        budget: quick or paper.
        steps: of training, instead of those of the budget.
        precision: auto, float32 or bfloat16.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    seeds: Sequence[int] = (0,)
    settings: Settings = field(default_factory=dict)
    budget: str = "quick"
    steps: int | None = None
    precision: str = "auto"

    @classmethod
    def parse(
        cls,
        methods: Names,
        datasets: Names = "dsprites",
        given_seeds: Seeds = 0,
        given_settings: Given = (),
        budget: str = "quick",
        steps: str | int | None = None,
        precision: str = "auto",
    ) -> "Grid":
        """Return the grid that a user asks for, in text or in values.

        Raises:
            UserError: a name or a value that cannot be.
        """
        chosen = names(methods, "method", METHODS.names())
        return cls(
            chosen,
            names(datasets, "data set", DATASETS.names()),
            seeds(given_seeds),
            hyper_parameters.parse(given_settings, chosen),
            one_of("budget", budget, BUDGETS),
            None if steps is None else count("--steps", steps),
            one_of("precision", precision, PRECISIONS),
        )

    @property
    def quick(self) -> bool:
        """Whether its budget is the quick one."""
        return self.budget == "quick" and self.steps is None

    def runs(self) -> Iterator[Run]:
        """Yield the runs: data sets x methods x settings x seeds, in that order.

        Raises:
            UserError: the budget is the paper's, and a method does not say what that is.
        """
        for dataset, method in itertools.product(self.datasets, self.methods):
            tried = self.settings.get(method, {})
            n, budget = steps(method, dataset, self.budget, self.steps)
            usual = defaults(METHODS[method].value, dataset)
            for values in itertools.product(*tried.values()):
                chosen = usual | dict(zip(tried, values, strict=True))
                for seed in self.seeds:
                    yield Run(dataset, method, seed, n, chosen, budget, self.precision)


def one_of(kind: str, name: str, known: Sequence[str]) -> str:
    """Return `name`; UserError if it is not known."""
    if name not in known:
        raise unknown(kind, name, known)
    return name


def select(methods: Names, sees: Names | None = None, reference: bool = False) -> list[str]:
    """Return the methods of these names, with what else is asked for.

    Args:
        methods: names, or all.
        sees: only those whose supervision is one of these.
        reference: whether the rows that others are compared with are added.

    Raises:
        UserError: a name is not known, or no method is left.
    """
    found = names(methods, "method", METHODS.names())
    if sees is not None:
        kinds = names(sees, "supervision", get_args(Sees))
        there = {method: METHODS[method].value.sees for method in found}
        found = [method for method in found if there[method] in kinds]
        if not found:
            said = ", ".join(f"{method} sees {kind}" for method, kind in there.items())
            raise UserError(f"--sees {sees}: no such method is asked for; {said}")
    return list(dict.fromkeys([*found, *(REFERENCES if reference else ())]))


def steps(method: str, dataset: str, budget: str, given: int | None) -> tuple[int, str]:
    """Return the training steps of a run and the name of the budget; 0 for what has none.

    Raises:
        UserError: the budget is the paper's, and the method does not say what that is.
    """
    cls: type[Method] = METHODS[method].value
    if not cls.trains():
        return 0, "none"
    if given is not None:
        return given, "steps"
    if budget == "quick":
        return QUICK_STEPS, budget
    published = cls.paper_steps.get(dataset, cls.paper_steps.get(""))
    if published is None:
        raise UserError(f"{method} does not say its paper's steps (paper_steps); give --steps")
    return published, budget
