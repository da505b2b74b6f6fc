"""A grid: a product of data sets, methods, hyper-parameters and seeds; each member is a run."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.config.run import Run
from benchmark.config.settings import Settings
from benchmark.errors import UserError
from benchmark.registry import METHODS

QUICK_STEPS = 1_000


@dataclass(frozen=True)
class Grid:
    """A product of data sets, methods, hyper-parameters and seeds.

    Attributes:
        methods, datasets: registered names.
        seeds: of each.
        settings: the values to try, by method and hyper-parameter.
        budget: quick or paper.
        steps: of training, instead of those of the budget.
        precision: auto, float32, tf32 or bfloat16.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    seeds: Sequence[int] = (0,)
    settings: Settings = field(default_factory=dict)
    budget: str = "quick"
    steps: int | None = None
    precision: str = "auto"

    @property
    def quick(self) -> bool:
        """Whether its budget is the quick one."""
        return self.budget == "quick" and self.steps is None

    def runs(self) -> Iterator[Run]:
        """Yield the runs: data sets x methods x settings x seeds, in that order.

        Raises:
            UserError: the budget is the paper's, and a method does not say what that is.
        """
        from methods.base import defaults  # which imports torch

        for dataset, method in itertools.product(self.datasets, self.methods):
            tried = self.settings.get(method, {})
            n, budget = steps(method, dataset, self.budget, self.steps)
            for values in itertools.product(*tried.values()):
                given = dict(zip(tried, values, strict=True))
                chosen = defaults(METHODS[method].value, dataset, given) | given
                for seed in self.seeds:
                    yield Run(dataset, method, seed, n, chosen, budget, self.precision)


def steps(method: str, dataset: str, budget: str, given: int | None) -> tuple[int, str]:
    """Return the training steps of a run and the name of the budget; 0 for what has none.

    Raises:
        UserError: the budget is the paper's, and the method does not say what that is.
    """
    cls = METHODS[method].value
    if not cls.trains():
        return 0, "none"
    if given is not None:
        return given, "steps"
    if budget == "quick":
        return QUICK_STEPS, budget
    published: int | None = cls.paper_steps.get(dataset, cls.paper_steps.get(""))
    if published is None:
        raise UserError(f"{method} does not say its paper's steps (paper_steps); give --steps")
    return published, budget
