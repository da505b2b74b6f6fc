"""What `run` does: plan the runs, bring each to its end, and show the table and the pictures."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import torch

from benchmark.cluster import follow
from benchmark.cluster.holders import settle
from benchmark.cluster.leases import Locks, Owner
from benchmark.cluster.status import survey
from benchmark.config import plan, requests
from benchmark.config.factors import ALL
from benchmark.config.requests import rows_of
from benchmark.config.study import Grid, Study
from benchmark.evaluation.tracking import Track
from benchmark.registry import DATASETS, METHODS, UserError, unknown
from benchmark.registry import names as named
from benchmark.runner import Bench, Run, execute, wanted
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
    """The runs asked for, and the scores each should have."""

    runs: tuple[Run, ...]
    metrics: list[str]
    device: torch.device
    track: int = 0
    """Scores are taken every so many training steps, too; 0: only at the end."""


def ask(
    *,
    methods: str,
    datasets: str,
    metrics: str | None,
    seeds: str,
    budget: str,
    steps: str | None,
    settings: Sequence[str],
    precision: str,
    device: str,
    reference: bool,
    sees: str | None = None,
    side: str = "encoder",
    factors: str = "all",
    rows: str | None = None,
) -> Comparison:
    """Return the comparison that the texts of the command line ask for.

    Raises:
        UserError: a name or a value that cannot be.
    """
    if budget not in plan.BUDGETS:
        raise unknown("budget", budget, plan.BUDGETS)
    given = None if steps is None else plan.count("--steps", steps)
    chosen = plan.seeing(sees, named(methods, "method", METHODS.names()))
    if reference:
        chosen += [name for name in plan.REFERENCES if name not in chosen]
    where = hardware.device(device)
    hardware.precision(precision, where)
    runs = plan.plan(
        chosen,
        named(datasets, "data set", DATASETS.names()),
        plan.seeds(seeds),
        plan.parse_settings(settings, chosen),
        budget=budget,
        given_steps=given,
        precision=precision,
    )
    size = requests.table_size(rows, budget == "quick" and given is None)
    return Comparison(tuple(runs), requests.metrics_for(metrics, side, factors, size), where)


def of_study(
    study: Study,
    *,
    methods: str | None = None,
    datasets: str | None = None,
    metrics: str | None = None,
    seeds: str | None = None,
    device: str = "auto",
    side: str = "encoder",
    factors: str = ALL,
    rows: str | None = None,
) -> Comparison:
    """Return the comparison that a study asks for, or the part of it with these names.

    Raises:
        UserError: a name or a value that cannot be, with its place in the study's file.
    """
    runs = {one.key: one for grid in study.grids for one in _grid(study, grid)}
    kept = {
        "method": _part(methods, "method", [one.method for one in runs.values()]),
        "dataset": _part(datasets, "data set", [one.dataset for one in runs.values()]),
    }
    chosen = None if seeds is None else set(plan.seeds(seeds))
    found = [
        one
        for one in runs.values()
        if one.method in kept["method"] and one.dataset in kept["dataset"]
        if chosen is None or one.seed in chosen
    ]
    try:
        quick = all(grid.budget == "quick" and grid.steps is None for grid in study.grids)
        size, text = requests.table_size(rows, quick), study.metrics if metrics is None else metrics
        scores = requests.metrics_for(text, side, factors, size)
    except UserError as error:
        fault = study.fault(study.grids[0], ["metrics"], error)
        raise (fault if metrics is None else error) from error
    return Comparison(tuple(found), scores, hardware.device(device))


def _grid(study: Study, grid: Grid) -> list[Run]:
    """Return the runs of a grid; errors name the key they are about."""

    def told(*keys: str) -> "_Place":
        return _Place(study, grid, keys)

    with told("method"):
        methods = named(grid.methods, "method", METHODS.names())
    with told("datasets"):
        datasets = named(grid.datasets, "data set", DATASETS.names())
    with told("seeds"):
        seeds = plan.seeds(grid.seeds)
    with told("budget"):
        if grid.budget not in plan.BUDGETS:
            raise unknown("budget", grid.budget, plan.BUDGETS)
    with told("precision"):
        hardware.precision(grid.precision, torch.device("cpu"))
    with told("set", "method"):
        settings = plan.parse_settings(grid.settings, methods)
    with told("budget", "method"):
        found = plan.plan(
            methods,
            datasets,
            seeds,
            settings,
            budget=grid.budget,
            given_steps=grid.steps,
            precision=grid.precision,
        )
        return list(found)


class _Place(AbstractContextManager["_Place", None]):
    """Within it, errors are about the first of these keys that the grid was given."""

    def __init__(self, study: Study, grid: Grid, keys: Sequence[str]) -> None:
        self.study, self.grid, self.keys = study, grid, keys

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, UserError):
            raise self.study.fault(self.grid, self.keys, error) from error


def _part(text: str | None, kind: str, there: Sequence[str]) -> set[str]:
    known = list(dict.fromkeys(there))
    return set(known if text is None else named(text, f"{kind} of the study", known))


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
        plan.check_fits([one for one in todo if one.dataset == dataset.name], dataset)
        for metric in asked.metrics:
            reason = plan.unscored(metric, dataset.spec)
            if reason is not None:
                name = requests.without_table(metric)
                print(f"{dataset.name} is not scored by {name}: it {reason}", file=sys.stderr)
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
    with stoppable() as stop, Locks(out).owner(Owner()) as mine:
        bench = Bench(out, asked.device, stop, Track(asked.track, tuple(asked.metrics)))
        remaining = _remaining(todo, out)
        for one in todo:
            name = one.folder(out).name
            if not mine.take([name], {}):
                others.append(one)
                remaining.waiting.remove(((one.dataset, one.method), one.steps))
                continue
            try:
                with progress.bar(one, remaining) as begin:
                    folder = execute(one, loaded[one.dataset], asked.metrics, bench, begin)
                print(folder.summary(), file=sys.stderr, flush=True)
            finally:
                mine.release([name])
    return others


def _unfinished(others: Sequence[Run], asked: Comparison, out: Path) -> list[Run]:
    """Wait until no other process holds these runs; return those that it left without an end."""
    if not others:
        return []
    names = [one.folder(out).name for one in others]
    print(f"waiting for others, who have {', '.join(names)}", file=sys.stderr, flush=True)
    ended = follow.follow(names, out, wanted(asked.metrics))
    pairs = zip(others, ended, strict=True)
    return [one for one, now in pairs if now.is_left(retry=False)]


def _remaining(todo: Sequence[Run], out: Path) -> Remaining:
    """Return how long these runs take, by the pace of runs that are done."""
    known = paces((folder.name for folder in folders(out)), out)
    steps = {which: pace.step for which, pace in known.items() if pace.step}
    return Remaining([((one.dataset, one.method), one.steps) for one in todo], steps)


def _to_do(asked: Comparison, out: Path, retry: bool) -> list[Run]:
    """Return the runs of which something is missing, and those that another process holds."""
    names = [one.folder(out).name for one in asked.runs]
    states = survey(names, out, settle(out), wanted(asked.metrics))
    pairs = zip(asked.runs, states, strict=True)
    return [one for one, now in pairs if now.is_left(retry) or now.state in HELD]


def show(asked: Comparison, out: Path, json: bool) -> None:
    """Print the table of the runs, write CSV and pictures, and say where they are."""
    names = [one.folder(out).name for one in asked.runs]
    rows = [row for name in asked.metrics for row in rows_of(name)]
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
