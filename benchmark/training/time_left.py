"""How long runs take, from what others of the same method and data set took, or take."""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from results.atomic import SCORES
from results.store import RUN_NAME, Folder

SAMPLE = 5
REST = 10.0
"""Seconds of a run beyond its training, while no run has told."""

Kind = tuple[str, str]


@dataclass(frozen=True)
class Pace:
    """What runs of one method on one data set took.

    Attributes:
        step: seconds per training step; 0 for what is not trained by steps.
        rest: seconds of everything else that is measured: fitting an encoder post hoc, scoring.
        total: seconds of a whole run, of as many steps as it had.
    """

    step: float
    rest: float
    total: float


def kind(run: str) -> Kind:
    """Return the data set and the method of a run's folder."""
    match = RUN_NAME.fullmatch(run)
    return (match["dataset"], match["method"]) if match else ("", run)


def paces(done: Iterable[str], out: Path) -> dict[Kind, Pace]:
    """Return the median pace of finished runs, `SAMPLE` of each kind."""
    return _medians(done, lambda run: _pace(out / run))


def paces_so_far(begun: Iterable[str], out: Path) -> dict[Kind, Pace]:
    """Return the median pace of runs under way, by their checkpoints; the rest of it is unknown: 0.

    It imports torch.
    """
    return _medians(begun, lambda run: _pace_so_far(out / run))


def _medians(runs: Iterable[str], pace: Callable[[str], Pace | None]) -> dict[Kind, Pace]:
    found: dict[Kind, list[Pace]] = defaultdict(list)
    for run in runs:
        if len(found[kind(run)]) < SAMPLE and (measured := pace(run)) is not None:
            found[kind(run)].append(measured)
    return {which: _median(several) for which, several in found.items() if several}


def _pace_so_far(folder: Path) -> Pace | None:
    checkpoint = Folder(folder).checkpoint()
    if not checkpoint.exists():
        return None
    import torch

    from benchmark.training.loop import Damaged, read

    try:
        state = read(checkpoint, torch.device("cpu"), "step", "seconds")
    except Damaged:
        return None
    step = state["seconds"] / state["step"]
    return Pace(step, 0.0, 0.0) if step else None


def _pace(folder: Path) -> Pace | None:
    try:
        record = json.loads((folder / SCORES).read_bytes())
        train, rows = record["train"], record["rows"]
        seconds = float(train.get("seconds", 0))
        rate = float(train.get("steps_per_second", 0))
        # The rows of one metric all say what the metric took.
        rest = float(train.get("posthoc_seconds", 0)) + sum({row["seconds"] for row in rows})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Pace(1 / rate if rate else 0.0, rest, seconds + rest)


def _median(several: Sequence[Pace]) -> Pace:
    values: Any = zip(*((pace.step, pace.rest, pace.total) for pace in several), strict=True)
    return Pace(*map(statistics.median, values))


@dataclass
class Remaining:
    """How long a command still takes, by the pace of its own runs and of those before it.

    Attributes:
        waiting: data set and method, and training steps, of each run that has not begun.
        step: seconds per training step by data set and method, as far as they are known.
        rest: what finished runs took beyond their training, in seconds.
    """

    waiting: list[tuple[Kind, int]]
    step: dict[Kind, float] = field(default_factory=dict)
    rest: list[float] = field(default_factory=list)

    def begin(self, which: Kind, steps: int) -> None:
        """Take the next run up."""
        self.waiting.remove((which, steps))
        self.current, self.steps_left, self.training = which, steps, 0.0
        self.began = time.monotonic()
        self.first: tuple[str, int, float] | None = None

    def progress(self, stage: str, done: int, total: int) -> None:
        """Take note of how far a stage of the run is."""
        now = time.monotonic()
        if self.first is None or self.first[0] != stage:
            self.first = stage, done, now
        elif stage == "train":
            self.step[self.current] = (now - self.first[2]) / (done - self.first[1])
        if stage == "train":
            self.training = now - self.began
        self.steps_left = total - done if stage == "train" else 0

    def end(self) -> None:
        """Take note that the run has ended."""
        self.rest.append(time.monotonic() - self.began - self.training)
        self.steps_left = 0

    def seconds(self) -> float | None:
        """Return how many seconds are left, None before any pace is known."""
        runs = [(self.current, self.steps_left), *self.waiting]
        if not self.step and any(steps for _, steps in runs):
            return None
        usual = statistics.fmean(self.step.values()) if self.step else 0.0
        rest = statistics.fmean(self.rest) if self.rest else REST
        train = sum(steps * self.step.get(which, usual) for which, steps in runs)
        return train + rest * len(runs)

    def text(self) -> str:
        """Return ", 3 runs to go, about 0:04:30 left", as far as it is known."""
        seconds, runs = self.seconds(), len(self.waiting) + 1
        time_left = "" if seconds is None else f", about {timedelta(seconds=round(seconds))} left"
        return f", {runs} run{'s' * (runs != 1)} to go{time_left}"
