"""`run --study FILE.toml --store`: a queue of runs whose scores are kept beside the study."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cluster.liveness import current
from benchmark.cluster.status import printed, states
from benchmark.config.score import Scoring
from benchmark.config.study import find
from benchmark.errors import UserError
from datasets import locks
from results import stored
from results.state import RunState, Wanted
from results.terminal import console

if TYPE_CHECKING:  # which imports this
    from benchmark.comparison import Comparison


@dataclass(frozen=True)
class Store:
    """Where a study's scores are kept.

    Attributes:
        path: the Parquet file, see `results.stored`.
        study: the names of all runs of the study.
    """

    path: Path
    study: frozenset[str]

    def add(self, out: Path, names: Collection[str]) -> None:
        """Put runs of `out` into the file, one process at a time."""
        if names:
            with locks.of_file(self.path.with_suffix(".lock")):
                stored.add(self.path, out, names, self.study)

    def states(self, names: Collection[str], wanted: Wanted) -> list[RunState]:
        """Return what the file knows of runs: done, diverged or missing."""
        with tempfile.TemporaryDirectory() as folder:
            stored.unpack(self.path, Path(folder))
            return states(names, Path(folder), {}, wanted)


def store_of(study: str | None, scoring: Scoring) -> Store:
    """Return where the scores of a study's file are kept: beside it.

    Raises:
        UserError: it is no file, or the options ask for other scores than it does.
    """
    if study is None or not study.endswith(".toml"):
        raise UserError("--store keeps scores beside the file of a study: give --study FILE.toml")
    if scoring != Scoring():
        raise UserError("--store: metrics, side, factors and rows are those of the study's file")
    names = frozenset(run.folder(Path()).name for run in find(study).runs())
    return Store(Path(study).with_suffix(".parquet"), names)


def left(planned: "Comparison", store: Store, out: Path, retry: bool = False) -> "Comparison":
    """Print what became of the runs, and return the part of them that is not stored yet.

    Args:
        planned: the study, or a part of it.
        store: where its scores are kept.
        out: the folder of run folders.
        retry: with stored runs that lack scores which the study has now, and whose codes are gone.
    """
    before = store.states(planned.names(out), planned.wanted)
    here = planned.states(out, current(out))
    todo, found = [], []
    for run, kept, now in zip(planned.runs, before, here, strict=True):
        again = kept.lacks_scores and (retry or run.folder(out).has_config)
        if again or kept.state == "missing":
            todo.append(run)
            kept = now
        elif kept.lacks_scores:
            print(f"{now.run}: stored without scores of today; --retry trains it", file=sys.stderr)
        found.append(kept)
    console(stderr=True).print(printed(found, out))
    return replace(planned, runs=tuple(todo), store=store)


def stop_after(minutes: float) -> None:
    """Have this process save what it trains and stop after so many minutes, as on SIGTERM."""
    timer = threading.Timer(60 * minutes, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
