"""What a study of a claim is given, and what it must come to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation.factor_classifier import FactorClassifier, trained_classifier
from benchmark.registry import CLAIMS, METHODS, UserError
from benchmark.runner import Context, Execution, wanted
from benchmark.training import progress
from benchmark.training.batches import Batches
from benchmark.training.loop import Diverged
from datasets import Dataset, load
from methods.base import Method, defaults
from results.state import state_of
from results.store import Folder

Study = Callable[["Lab", int], dict[str, float]]


@dataclass(frozen=True)
class Expected:
    """What a quantity should be.

    Attributes:
        published: the value that the source states, or what follows from its claim, as text.
        low, high: the range in which the mean over seeds counts as reproduced.
    """

    published: str
    low: float = -math.inf
    high: float = math.inf


def claim(
    name: str, *, source: str, says: str, minutes: float, **expected: Expected
) -> Callable[[Study], Study]:
    """Return a decorator that registers a study.

    Args:
        name: what the user types.
        source: authors, year, URL, and where in the paper.
        says: the claim, in a line.
        minutes: what a seed takes on two cores.
        expected: what each quantity that the study returns should be.
    """
    facts = {"says": says, "minutes": minutes, "expected": expected}
    return CLAIMS.register(name, source=source, **facts)


@dataclass
class Lab:
    """Where studies are made: what they train is kept in run folders, and continues if stopped.

    Attributes:
        out: the folder of run folders.
        device: where they train.
        data_dir: where the user keeps original files.
        stop: asked after every step whether to save and stop.
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
        """Return a trained method, ready to be asked, and its folder; trained once per folder.

        Gradients are on within, so that a whole study may be without.

        Raises:
            Diverged: a loss was not finite.
            UserError: it failed.
        """
        chosen = defaults(METHODS[method].value, dataset) | given
        run = Run(dataset, method, seed, steps, chosen)
        with torch.enable_grad():
            folder = self.complete([run], [])[0]
            context = Context(self.out, self.device, self.stop)
            trained = Execution(run, self.data(dataset), context).trained()
        return trained.eval(), folder

    def complete(self, runs: Sequence[Run], scores: Sequence[Score]) -> list[Folder]:
        """Return the folders of these runs, trained and scored as those of `run` are.

        Raises:
            Diverged, UserError: one did not come to its end.
        """
        from benchmark.comparison import Comparison, complete  # which listing claims does without

        asked = Comparison(tuple(runs), tuple(scores), self.device)
        loaded = {run.dataset: self.data(run.dataset) for run in runs}
        found, rows = [run.folder(self.out) for run in runs], wanted(scores)
        pairs = zip(runs, found, strict=True)
        left = [run for run, one in pairs if state_of(one.path, rows).is_left(retry=True)]
        complete(left, loaded, asked, self.out)
        for folder in found:
            failure = folder.failure
            if failure is not None and failure["state"] == "diverged":
                raise Diverged(failure["step"], failure["reason"])
            if failure is not None:
                raise UserError(f"{folder.name} failed: {failure['reason']}")
        return found

    def images(self, dataset: str, n: int, seed: int) -> Tensor:
        """Return n random training images (n, C, H, W) in [0, 1]."""
        found = self.data(dataset)
        return Batches(found, self.device).images(found.sample(n, np.random.default_rng(seed)))


def last(folder: Folder, until: float = math.inf, rows: int = 5) -> dict[str, float]:
    """Return the means of the log's last rows up to a step, 50 steps each."""
    import pandas as pd  # which listing claims does without

    log = pd.read_csv(folder.log())
    means = log[log["step"] <= until].tail(rows).mean()
    return {str(name): float(value) for name, value in means.items()}
