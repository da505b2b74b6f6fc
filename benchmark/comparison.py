"""What `run` does: plan the runs, bring each to its end, and show the table and the pictures."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from benchmark.cluster import follow
from benchmark.cluster.holders import settle
from benchmark.cluster.leases import Leases, Lost, Owner
from benchmark.cluster.status import survey
from benchmark.config.applicable import check_fits, unscored
from benchmark.config.run import Run
from benchmark.config.score import Score, Scoring
from benchmark.config.study import Study
from benchmark.evaluation.tracking import Track
from benchmark.registry import UserError
from benchmark.runner import Context, execute, wanted
from benchmark.training import hardware, progress
from benchmark.training.loop import Stopped
from benchmark.training.time_left import Remaining, paces
from datasets import Dataset, load
from results.output import show_runs
from results.store import folders

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HELD = ("running", "queued")


@dataclass(frozen=True)
class Comparison:
    """What is asked for.

    Attributes:
        runs: each once.
        scores: that each should have.
        device: where they are trained.
        track: scores are taken every so many training steps, too; 0: only at the end.
    """

    runs: tuple[Run, ...]
    scores: tuple[Score, ...]
    device: torch.device
    track: int = 0


def ask(study: Study, scoring: Scoring, device: str = "auto", track: int = 0) -> Comparison:
    """Return the comparison of a study's runs.

    Raises:
        UserError: a name or a value that cannot be.
    """
    scores = scoring.scores(study.quick, study.metrics)
    return Comparison(tuple(study.runs()), tuple(scores), hardware.device(device), track)


def run(asked: Comparison, out: Path, data_dir: Path | None, retry: bool = False) -> int:
    """Bring every run to its end; return how many failed or diverged.

    Args:
        asked: the runs.
        out: the folder of run folders.
        data_dir: where the user keeps original files.
        retry: whether runs that failed before are run again.

    Raises:
        UserError: `out` is a file, or a data set is not to be had or does not fit a method.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is not a folder")
    todo = _to_do(asked, out, retry)
    loaded = {name: load(name, data_dir) for name in dict.fromkeys(one.dataset for one in todo)}
    for dataset in loaded.values():
        check_fits([one for one in todo if one.dataset == dataset.name], dataset)
        for score in asked.scores:
            reason = unscored(score, dataset.spec)
            if reason is not None:
                print(f"{dataset.name} is not scored by {score}: it {reason}", file=sys.stderr)
    complete(todo, loaded, asked, out)
    return sum(one.folder(out).state != "done" for one in asked.runs)


def complete(
    todo: Sequence[Run], loaded: Mapping[str, Dataset], asked: Comparison, out: Path
) -> None:
    """Bring these runs to their ends, or wait for the processes that do: nothing is run twice."""
    while todo:
        todo = _unfinished(_bring(todo, loaded, asked, out), asked, out)


def _bring(
    todo: Sequence[Run], loaded: Mapping[str, Dataset], asked: Comparison, out: Path
) -> list[Run]:
    """Bring each run to its end; return those that another process holds."""
    others = []
    with stoppable() as stop, Leases(out).owner(Owner()) as mine:
        track = Track(asked.track, asked.scores)
        context = Context(out, asked.device, stop, track, mine.verify)
        remaining = _remaining(todo, out)
        for one in todo:
            name = one.folder(out).name
            if not mine.take([name], {}):
                others.append(one)
                remaining.waiting.remove(((one.dataset, one.method), one.steps))
                continue
            try:
                with progress.bar(one, remaining) as begin:
                    folder = execute(one, loaded[one.dataset], asked.scores, context, begin)
                print(folder.summary(), file=sys.stderr, flush=True)
            except Lost:
                others.append(one)
            finally:
                mine.release([name])
    return others


def _unfinished(others: Sequence[Run], asked: Comparison, out: Path) -> list[Run]:
    """Wait until no other process holds these runs; return those that it left without an end."""
    if not others:
        return []
    names = [one.folder(out).name for one in others]
    print(f"waiting for others, who have {', '.join(names)}", file=sys.stderr, flush=True)
    ended = follow.follow(names, out, wanted(asked.scores))
    pairs = zip(others, ended, strict=True)
    return [one for one, now in pairs if now.is_left(retry=False)]


def _remaining(todo: Sequence[Run], out: Path) -> Remaining:
    """Return how long these runs take, by the pace of runs that are done."""
    known = paces((folder.name for folder in folders(out)), out)
    steps = {which: pace.step for which, pace in known.items() if pace.step}
    return Remaining([((one.dataset, one.method), one.steps) for one in todo], steps)


def _to_do(asked: Comparison, out: Path, retry: bool) -> list[Run]:
    """Return the runs that are left or held by another process; say which are not run again."""
    names = [one.folder(out).name for one in asked.runs]
    states = survey(names, out, settle(out), wanted(asked.scores))
    for now in states:
        if now.damaged:
            print(f"left out: {now.why}", file=sys.stderr)
        elif now.state == "failed" and not retry:
            print(f"{now.run} failed before; --retry runs it again", file=sys.stderr)
    pairs = zip(asked.runs, states, strict=True)
    return [one for one, now in pairs if now.is_left(retry) or now.state in HELD]


def show(asked: Comparison, out: Path, json: bool) -> None:
    """Print the table of the runs, write CSV and pictures, and say where they are."""
    names = [one.folder(out).name for one in asked.runs]
    rows = [row for score in asked.scores for row in score.row_names]
    show_runs(names, rows, out, json, asked.track > 0)


@contextmanager
def stoppable() -> Iterator["Stop"]:
    """Let the first Ctrl-C or SIGTERM save and stop, and the second stop at once."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.asked

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("saving; once more to stop without", file=sys.stderr)
