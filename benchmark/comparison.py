"""What `run` does: plan the runs, complete each, and show the table and the pictures."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch

from benchmark.cluster import follow
from benchmark.cluster.leases import Leases, Lost, Owner
from benchmark.cluster.liveness import Holder, release_dead
from benchmark.cluster.status import states
from benchmark.config.applicable import check_fits, check_registered, unscored
from benchmark.config.run import Run
from benchmark.config.score import Score, Scoring
from benchmark.config.study import Study
from benchmark.evaluation.score import wanted
from benchmark.evaluation.tracking import Track
from benchmark.queue import Store
from benchmark.registry import UserError
from benchmark.runner import Context, execute
from benchmark.training import hardware, progress
from benchmark.training.loop import Stopped
from benchmark.training.time_left import Kind, Remaining, paces_for
from datasets import Dataset, load
from results import kept, stored
from results.frame import COLUMNS
from results.kept import Keep, NotKept
from results.output import print_table, show_runs
from results.state import RunState, Wanted
from results.store import Folder

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HELD = ("running", "queued")


@dataclass(frozen=True)
class Comparison:
    """Runs to be compared.

    Attributes:
        runs: each once.
        scores: that each should have.
        device: where they are trained.
        track: scores are taken every so many training steps, too; 0: only at the end.
        keep: what stays in a run's folder once it is scored.
        store: where the scores of finished runs are kept, too (`run --store`).
    """

    runs: tuple[Run, ...]
    scores: tuple[Score, ...]
    device: torch.device
    track: int = 0
    keep: Keep = "weights"
    store: Store | None = None

    @property
    def wanted(self) -> Wanted:
        """The rows of its scores that a finished run has."""
        return wanted(self.scores)

    @property
    def steps(self) -> list[tuple[Kind, int]]:
        """Data set and method, and training steps, of each run."""
        return [((one.dataset, one.method), one.steps) for one in self.runs]

    def names(self, out: Path) -> list[str]:
        """Return the names of its runs' folders in `out`."""
        return [one.folder(out).name for one in self.runs]

    def states(self, out: Path, holders: Mapping[str, Holder]) -> list[RunState]:
        """Return what became of its runs, some of which are held."""
        return states(self.names(out), out, holders, self.wanted)

    def left(
        self, found: Sequence[RunState], retry: bool = False, held: bool = False
    ) -> "Comparison":
        """Return the part of it that is left to do.

        Args:
            found: the states of its runs.
            retry: with those that failed.
            held: with those that others hold.
        """
        pairs = zip(self.runs, found, strict=True)
        left = (one for one, now in pairs if now.is_left(retry) or (held and now.state in HELD))
        return replace(self, runs=tuple(left))

    def store_scores(self, out: Path) -> None:
        """Store those of its runs in `out` that are over, if they are to be stored."""
        if self.store is not None:
            self.store.add(out, [one.run for one in self.states(out, {}) if one.is_over])


def plan(
    study: Study,
    scoring: Scoring,
    device: str = "auto",
    track: int | None = None,
    keep: str = "weights",
) -> Comparison:
    """Return the comparison of a study's runs.

    Raises:
        UserError: a name or a value that cannot be, or a method does not fit a data set.
    """
    stays = kept.parse(keep)
    given = replace(scoring, side=scoring.side or study.side, rows=scoring.rows or study.rows)
    scores, where = given.scores(study.quick, study.metrics), hardware.device(device)
    runs = tuple(study.runs())
    check_registered(runs)
    for name in {run.precision for run in runs}:
        hardware.precision(name, where)
    every = study.track if track is None else track
    return Comparison(runs, tuple(scores), where, every or 0, stays)


def run(comparison: Comparison, out: Path, data_dir: Path | None, retry: bool = False) -> int:
    """Complete every run; return how many failed or diverged.

    Args:
        comparison: the runs.
        out: the folder of run folders.
        data_dir: where the user keeps original files.
        retry: whether runs that failed before are run again.

    Raises:
        UserError: `out` is a file, or a data set is not to be had or does not fit a method.
    """
    check_folder(out)
    found = comparison.states(out, release_dead(out))
    say_lacking(found)
    for now in found:
        if now.damaged:
            print(f"left out: {now.why}", file=sys.stderr)
        elif now.state == "failed" and not retry:
            print(f"{now.run} failed before; --retry runs it again", file=sys.stderr)
    prune(comparison, found, out)
    todo = comparison.left(found, retry, held=True)
    comparison.store_scores(out)
    complete(todo, load_datasets(todo, data_dir), out)
    comparison.store_scores(out)
    return sum(now.state != "done" or now.lacks_scores for now in comparison.states(out, {}))


def say_lacking(found: Sequence[RunState]) -> None:
    """Say which runs cannot have the scores that are wanted, and why."""
    for now in found:
        if now.lacks_scores:
            print(f"left out: {now.why}", file=sys.stderr)


def prune(comparison: Comparison, found: Sequence[RunState], out: Path) -> None:
    """Remove what is not to be kept of the runs that were done before, and say of how many."""
    done = (Folder(out / now.run) for now in found if now.state == "done")
    more = {one.name: one for one in done if kept.surplus(one, comparison.keep)}
    if not more:
        return
    with Leases(out).owner(Owner()) as own:
        taken = own.take(more, {})
        for folder in map(more.__getitem__, taken):
            if scores := folder.scores:
                kept.finish(folder, scores, comparison.keep)
        own.release(taken)
    what, number = kept.NAMES[comparison.keep], f"{len(taken):,} run{'s' * (len(taken) != 1)}"
    print(f"removed {what} of {number} done before (--keep {comparison.keep})", file=sys.stderr)


def check_folder(out: Path) -> None:
    """Raise UserError if `out` cannot be a folder of runs."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is not a folder")


def load_datasets(todo: Comparison, data_dir: Path | None) -> dict[str, Dataset]:
    """Fetch, pack and load the data sets of the runs; say which scores they cannot have.

    Raises:
        UserError: a data set is not to be had, or does not fit a method.
    """
    found = {name: load(name, data_dir) for name in dict.fromkeys(r.dataset for r in todo.runs)}
    for dataset in found.values():
        check_fits([one for one in todo.runs if one.dataset == dataset.name], dataset)
        for score in todo.scores:
            reason = unscored(score, dataset.spec)
            if reason is not None:
                print(f"{dataset.name} is not scored by {score}: it {reason}", file=sys.stderr)
    return found


def complete(todo: Comparison, datasets: Mapping[str, Dataset], out: Path) -> None:
    """Complete these runs, or wait for the processes that do: nothing is run twice."""
    while todo.runs:
        todo = _execute(todo, datasets, out)
        if todo.runs:
            names = todo.names(out)
            print(f"waiting for others, who have {', '.join(names)}", file=sys.stderr, flush=True)
            todo = todo.left(follow.follow(names, out, todo.wanted))


def _execute(todo: Comparison, datasets: Mapping[str, Dataset], out: Path) -> Comparison:
    """Execute one run after another; return those that another process holds."""
    others = []
    pace = {which: one.step for which, one in paces_for(todo.steps, out).items() if one.step}
    remaining = Remaining(todo.steps, pace)
    with stoppable() as stop, Leases(out).owner(Owner()) as own:
        track = Track(todo.track, todo.scores)
        context = Context(out, todo.device, stop, track, own.verify, todo.keep)
        for one, waiting in zip(todo.runs, todo.steps, strict=True):
            name = one.folder(out).name
            if not own.take([name], {}):
                others.append(one)
                remaining.waiting.remove(waiting)
                continue
            try:
                if one.folder(out).state == "diverged":  # meanwhile, in another process
                    remaining.waiting.remove(waiting)
                    continue
                with progress.bar(one, remaining) as begin:
                    folder = execute(one, datasets[one.dataset], todo.scores, context, begin)
                print(folder.summary(), file=sys.stderr, flush=True)
                replace(todo, runs=(one,)).store_scores(out)
            except NotKept as error:
                print(f"left out: {error}", file=sys.stderr, flush=True)
            except Lost:
                others.append(one)
            finally:
                own.release([name])
    return replace(todo, runs=tuple(others))


def show(comparison: Comparison, out: Path, json: bool) -> None:
    """Print the table of the runs, write CSV and pictures, and say where they are.

    Of a comparison that is stored, print the table of all that is stored.
    """
    if comparison.store is not None:
        print_table(stored.read(comparison.store.path)[[*COLUMNS]], json)
        return
    rows = [row for score in comparison.scores for row in score.row_names]
    show_runs(comparison.names(out), rows, out, json, comparison.track > 0)


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C or SIGTERM save and stop, and the second stop at once.

    What is yielded says whether to stop.
    """
    signalled = False

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal signalled
        if signalled:
            raise KeyboardInterrupt
        signalled = True
        print("saving; once more to stop without", file=sys.stderr)

    before = {number: signal.signal(number, take) for number in SIGNALS}
    try:
        yield lambda: signalled
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
