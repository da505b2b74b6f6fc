"""What studies of claims share: how one is registered, and what it trains with."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.claims.expected import Expected
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation.factor_classifier import FactorClassifier, trained_classifier
from benchmark.registry import CLAIMS, METHODS, UserError
from benchmark.runner import Context, Execution
from benchmark.training import progress
from benchmark.training.batches import Batches
from benchmark.training.loop import Diverged
from datasets import Dataset, load
from methods.base import Method, defaults
from results.store import Folder

if TYPE_CHECKING:
    import pandas as pd

Study = Callable[["Lab", int], dict[str, float]]


SEEDS = 3
"""Of a claim that does not ask for more; so many have an interval."""


def claim(
    name: str,
    *,
    source: str,
    says: str,
    minutes: float,
    seeds: int = SEEDS,
    **expected: Expected,
) -> Callable[[Study], Study]:
    """Return a decorator that registers a study.

    Args:
        name: what the user types.
        source: authors, year, URL, and where in the paper.
        says: the claim, in a line.
        minutes: what a seed takes on two cores.
        seeds: how many of them are run if none are named.
        expected: what each quantity that the study returns should be.
    """
    facts = {"says": says, "minutes": minutes, "seeds": seeds, "expected": expected}
    return CLAIMS.register(name, source=source, **facts)


@dataclass
class Lab:
    """What studies train with: it is kept in run folders, and continues if stopped.

    Attributes:
        out: the folder of run folders.
        device: where they train.
        data_dir: where the user keeps original files.
        stop: called after every step; returns whether to save and stop.
    """

    out: Path
    device: torch.device
    data_dir: Path | None = None
    stop: Callable[[], bool] = lambda: False
    _loaded: dict[str, Dataset] = field(default_factory=dict)

    def data(self, name: str) -> Dataset:
        """Return a data set."""
        if name not in self._loaded:
            self._loaded[name] = load(name, self.data_dir)
        return self._loaded[name]

    def oracle(self, name: str) -> FactorClassifier:
        """Return the classifier of the data set's factors."""
        with torch.enable_grad():
            return trained_classifier(self.data(name), self.device, self.stop, progress.lines(name))

    def train(
        self, method: str, dataset: str, seed: int, steps: int, **given: Any
    ) -> tuple[Method, Folder]:
        """Return a trained method, in evaluation mode, and its folder; trained once per folder.

        Gradients are on within, so that a whole study may be without.

        Raises:
            Diverged: a loss was not finite.
            UserError: it failed.
        """
        run = self.run(method, dataset, seed, steps, **given)
        with torch.enable_grad():
            folder = self.complete([run], [])[0]
            trained = self._execution(run).trained()
        return trained.eval(), folder

    def untrained(self, method: str, dataset: str, seed: int) -> Method:
        """Return the method as it is before its training from this seed, in evaluation mode."""
        return self._execution(self.run(method, dataset, seed, 0)).build().eval()

    def scores(self, run: Run, *metrics: str) -> dict[str, float]:
        """Return what a run, trained now or before, scores by name; NaN where there is no score.

        Raises:
            Diverged, UserError: as `train`.
        """
        (folder,) = self.complete([run], [Score(metric) for metric in metrics])
        rows = (folder.scores or {"rows": []})["rows"]
        return {row["metric"]: math.nan if row["value"] is None else row["value"] for row in rows}

    def run(self, method: str, dataset: str, seed: int, steps: int, **given: Any) -> Run:
        """Return a run with the paper's settings but those given; in float32 on every machine."""
        chosen = defaults(METHODS[method].value, dataset, given) | given
        return Run(dataset, method, seed, steps, chosen, precision="float32")

    def _execution(self, run: Run) -> Execution:
        return Execution(run, self.data(run.dataset), Context(self.out, self.device, self.stop))

    def complete(self, runs: Sequence[Run], scores: Sequence[Score]) -> list[Folder]:
        """Return the folders of these runs, trained and scored as those of `run` are.

        Raises:
            Diverged, UserError: one did not come to its end.
        """
        from benchmark.comparison import Comparison, complete  # which listing claims does without

        comparison = Comparison(tuple(runs), tuple(scores), self.device)
        loaded = {run.dataset: self.data(run.dataset) for run in runs}
        found = [run.folder(self.out) for run in runs]
        left = comparison.left(comparison.states(self.out, {}), retry=True)
        complete(left, loaded, self.out)
        for folder in found:
            failure = folder.failure
            if failure is not None and failure["state"] == "diverged":
                raise Diverged(failure["step"], failure["reason"])
            if failure is not None:
                raise UserError(f"{folder.name} failed: {failure['reason']}")
        return found

    def images(self, dataset: str, rows: NDArray[np.int64]) -> Tensor:
        """Return images (n, C, H, W) in [0, 1]."""
        return Batches(self.data(dataset), self.device).images(rows)

    def sample(self, dataset: str, n: int, seed: int) -> NDArray[np.int64]:
        """Return the rows (n,) of random training images."""
        return self.data(dataset).sample(n, np.random.default_rng(seed))


def log(folder: Folder) -> "pd.DataFrame":
    """Return the log of a run: a row every 50 steps."""
    import pandas as pd  # which listing claims does without

    return pd.read_csv(folder.log())
