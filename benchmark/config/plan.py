"""What is to be trained: the options of the command line, or of a notebook."""

from dataclasses import dataclass
from typing import get_args

from benchmark.config import parse, settings
from benchmark.config.grid import Grid
from benchmark.config.parse import BUDGETS, PRECISIONS, Names, Seeds
from benchmark.config.settings import Given
from benchmark.config.study import Study, find
from benchmark.errors import UserError
from benchmark.registry import DATASETS, METHODS

REFERENCES = ("untrained", "random", "truth")


@dataclass(frozen=True)
class Plan:
    """The options of `run` about what is trained, as given; None where one is not given.

    Attributes:
        methods, datasets: names.
        seeds: like 0-4, or numbers.
        study: the name of a study, or its file: of which methods, datasets and seeds are a part.
        budget: quick or paper.
        steps: of training, instead of a budget.
        settings: like betavae.beta=1,4, or values by method and hyper-parameter.
        precision: auto, float32, tf32 or bfloat16.
        sees: only methods of this supervision.
        reference: whether untrained, random and true codes are added.
    """

    methods: Names | None = None
    datasets: Names | None = None
    seeds: Seeds | None = None
    study: str | None = None
    budget: str | None = None
    steps: str | int | None = None
    settings: Given | None = None
    precision: str | None = None
    sees: Names | None = None
    reference: bool = True

    def parse(self) -> Study:
        """Return the study, or the part of it, or one of a single grid.

        Raises:
            UserError: a name or a value that cannot be, or one that the study states itself.
        """
        if self.study is None:
            return Study([self._grid()])
        for name in ("budget", "steps", "settings", "precision", "sees"):
            if getattr(self, name):
                option = "set" if name == "settings" else name
                raise UserError(f"--{option}: the study {self.study} says that itself")
        return find(self.study).part(self.methods, self.datasets, self.seeds)

    def _grid(self) -> Grid:
        # Methods come last: their names need torch, and other mistakes are reported without it.
        budget = parse.one_of("budget", self.budget or "quick", BUDGETS)
        if self.budget and self.steps is not None:
            raise UserError(f"--budget {budget} and --steps {self.steps} exclude each other")
        steps = None if self.steps is None else parse.count("--steps", self.steps)
        precision = parse.one_of("precision", self.precision or "auto", PRECISIONS)
        seeds = parse.seeds(0 if self.seeds is None else self.seeds)
        datasets = "dsprites" if self.datasets is None else self.datasets
        datasets = parse.names(datasets, "data set", DATASETS.names())
        methods = select(self.methods or "", self.sees, self.reference)
        chosen = settings.parse(self.settings or (), methods)
        return Grid(methods, datasets, seeds, chosen, budget, steps, precision)


def select(methods: Names, sees: Names | None = None, reference: bool = False) -> list[str]:
    """Return the methods of these names.

    Args:
        methods: names, or all.
        sees: only those whose supervision is one of these.
        reference: whether the rows that others are compared with are added.

    Raises:
        UserError: a name is not known, or no method is left.
    """
    found = parse.names(methods, "method", METHODS.names())
    if sees is not None:
        from methods.base import Sees  # which imports torch

        kinds = parse.names(sees, "supervision", get_args(Sees))
        given = {method: METHODS[method].value.sees for method in found}
        found = [method for method in found if given[method] in kinds]
        if not found:
            each = ", ".join(f"{method} sees {kind}" for method, kind in given.items())
            raise UserError(f"--sees {sees}: no such method is given; {each}")
    return list(dict.fromkeys([*found, *(REFERENCES if reference else ())]))
