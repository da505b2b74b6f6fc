"""A grid: a product of data sets, methods, hyper-parameters and seeds; each member is a run."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.config.budget import steps
from benchmark.config.run import Run
from benchmark.config.settings import Settings
from benchmark.registry import METHODS
from methods.base import defaults

PRECISIONS = ("auto", "float32", "bfloat16")


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
