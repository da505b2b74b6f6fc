"""How long runs take, from what others of the same method and data set took, or take."""

import json
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from results.atomic import SCORES
from results.files import Damaged
from results.store import RUN_NAME, Folder, folders

SAMPLE = 5
REST = 10.0
"""Seconds of a run beyond its training, while none has ended."""
NAMED = 3
SHORTER = 10
"""Runs of fewer steps than one in so many say nothing: the first steps are slow."""
NO_TIME = (
    "no time is known until one of a method and data set is done, of a tenth of the steps at least,"
    " or has trained for a minute"
)

Kind = tuple[str, str]
"""A data set and a method."""


class Pace(NamedTuple):
    """What runs of one method on one data set took.

    Attributes:
        step: seconds per training step; 0 for what is not trained by steps.
        rest: seconds of everything else: fitting an encoder post hoc, scoring.
        steps: how many the runs had; infinite of those under way.
    """

    step: float
    rest: float
    steps: float

    def seconds(self, steps: float) -> float:
        """Return what a run of so many steps takes."""
        return steps * self.step + self.rest


def kind(run: str) -> Kind:
    """Return the data set and the method of a run's folder."""
    match = RUN_NAME.fullmatch(run)
    return (match["dataset"], match["method"]) if match else ("", run)


def paces(out: Path) -> dict[Kind, Pace]:
    """Return the median pace of the finished runs in `out`, `SAMPLE` of each kind."""
    return _medians(folders(out), _pace)


def paces_for(todo: Iterable[tuple[Kind, int]], out: Path) -> dict[Kind, Pace]:
    """Return the paces that are of runs long enough to say what runs of these steps take."""
    longest: dict[Kind, int] = defaultdict(int)
    for which, steps in todo:
        longest[which] = max(longest[which], steps)
    known = paces(out)
    return {
        which: known[which]
        for which, steps in longest.items()
        if which in known and SHORTER * known[which].steps >= steps
    }


def paces_so_far(out: Path, kinds: Collection[Kind]) -> dict[Kind, Pace]:
    """Return the median pace of runs under way, by their checkpoints; the rest of it is unknown: 0.

    It imports torch.
    """
    return _medians((one for one in folders(out) if kind(one.name) in kinds), _pace_so_far)


def _medians(runs: Iterable[Folder], pace: Callable[[Folder], Pace | None]) -> dict[Kind, Pace]:
    """Return the median of the paces of each kind, of those with about as many steps as most."""
    found: dict[Kind, list[Pace]] = defaultdict(list)
    for run in runs:
        several = found[kind(run.name)]
        if len(several) < SAMPLE and (one := pace(run)) is not None:
            several.append(one)
    return {which: _median(several) for which, several in found.items() if several}


def _median(several: Sequence[Pace]) -> Pace:
    most = max(one.steps for one in several)
    long = [one for one in several if SHORTER * one.steps >= most]
    return Pace(*map(statistics.median, zip(*long, strict=True)))


def _pace_so_far(folder: Folder) -> Pace | None:
    checkpoint = folder.checkpoint()
    if not checkpoint.exists():
        return None
    import torch

    from benchmark.training.loop import read

    try:
        state = read(checkpoint, torch.device("cpu"), "step", "seconds")
    except Damaged:
        return None
    step = state["seconds"] / state["step"]
    return Pace(step, 0.0, math.inf) if step else None


def _pace(folder: Folder) -> Pace | None:
    try:
        record = json.loads((folder.path / SCORES).read_bytes())
        train, rows = record["train"], record["rows"]
        seconds, rate = (float(train.get(one, 0)) for one in ("seconds", "steps_per_second"))
        stages = sum(value for name, value in train.items() if name.endswith("_seconds"))
        # The rows of one metric all say what the metric took.
        rest = float(stages) + sum({row["seconds"] for row in rows})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Pace(1 / rate, rest, seconds * rate) if rate else Pace(0.0, seconds + rest, 0.0)


def estimate(todo: Sequence[tuple[Kind, int]], out: Path) -> str:
    """Return how long runs of these kinds and steps take one after another, at the pace of others.

    Those are done ones in `out`, and where there is none of a kind those under way.
    """
    kinds = Counter(which for which, _ in todo)
    known = paces_for(todo, out)
    training = paces_so_far(out, kinds.keys() - known.keys())
    known |= training
    timed = [(steps, known[which]) for which, steps in todo if which in known]
    if not timed:
        return NO_TIME
    hours = sum(pace.seconds(steps) for steps, pace in timed) / 3600
    text = f"about {hours:,.1f} hours of one device as it was measured"
    if training:
        text += f", of {_names(training)} training alone"
    if lacking := kinds.keys() - known.keys():
        number = sum(kinds[which] for which in lacking)
        text += f", without {number:,} run{'s' * (number != 1)} of {_names(lacking)}: {NO_TIME}"
    return text


def _names(kinds: Collection[Kind]) -> str:
    """Return "vae on toy, gan on toy and 40 more"."""
    names = sorted(f"{method} on {dataset}" for dataset, method in kinds)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


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

    def start(self, which: Kind, steps: int) -> None:
        """Take the next run from those that wait."""
        self.waiting.remove((which, steps))
        self.current, self.steps_left, self.training = which, steps, 0.0
        self.started = time.monotonic()
        self.first: tuple[str, int, float] | None = None

    def progress(self, stage: str, done: int, total: int) -> str:
        """Note how far a stage of the run is; return the text for the time left."""
        now = time.monotonic()
        if self.first is None or self.first[0] != stage:
            self.first = stage, done, now
        elif stage == "train":
            self.step[self.current] = (now - self.first[2]) / (done - self.first[1])
        if stage == "train":
            self.training = now - self.started
        self.steps_left = total - done if stage == "train" else 0
        return self._text()

    def end(self) -> None:
        """Note that the run has ended."""
        self.rest.append(time.monotonic() - self.started - self.training)

    def _seconds(self) -> float | None:
        """Return how many seconds are left, None before any pace is known."""
        runs = [(self.current, self.steps_left), *self.waiting]
        if not self.step and any(steps for _, steps in runs):
            return None
        usual = statistics.fmean(self.step.values()) if self.step else 0.0
        rest = statistics.fmean(self.rest) if self.rest else REST
        train = sum(steps * self.step.get(which, usual) for which, steps in runs)
        return train + rest * len(runs)

    def _text(self) -> str:
        """Return ", 3 runs to go, about 0:04:30 left", as far as it is known."""
        seconds, runs = self._seconds(), len(self.waiting) + 1
        time_left = "" if seconds is None else f", about {timedelta(seconds=round(seconds))} left"
        return f", {runs} run{'s' * (runs != 1)} to go{time_left}"
