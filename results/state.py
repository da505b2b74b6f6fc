"""What became of a run, and whether anything of it is left to do: the one rule.

`run`, jobs, `status`, `table --study`, `--dry-run` and `reproduce` all ask `state_of`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from results import kept
from results.store import Folder

State = Literal["done", "running", "queued", "failed", "diverged", "missing"]
STATES: tuple[State, ...] = get_args(State)
INTERRUPTED = "interrupted; the same command continues it"


@dataclass(frozen=True)
class Wanted:
    """The scores that a run should have.

    Attributes:
        rows: (metric, protocol) of each; none: a finished run is done whatever its scores.
        again: beginnings of the reasons for which a row without a value is computed again.
        files: that of the run's folder which each metric is computed of.
    """

    rows: frozenset[tuple[str, str]] = frozenset()
    again: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


ANY = Wanted()


@dataclass(frozen=True)
class RunState:
    """What became of a run.

    Attributes:
        run: the name of its folder.
        state: one of `STATES`.
        why: why it failed, or where it is; of a done run, why it cannot have the wanted scores; ""
            if there is nothing to say.
        log: the last lines that a failed run wrote.
        damaged: whether a file of it cannot be read.
    """

    run: str
    state: State
    why: str = ""
    log: str = ""
    damaged: bool = False

    @property
    def lacks_scores(self) -> bool:
        """Whether it is done without wanted scores, which need what was not kept."""
        return self.state == "done" and bool(self.why)

    @property
    def is_over(self) -> bool:
        """Whether nobody need run it: it is done with all scores, or it diverged."""
        return self.state == "diverged" or (self.state == "done" and not self.why)

    def is_left(self, retry: bool = False) -> bool:
        """Return whether somebody should run it; one that failed only if `retry` says so.

        One that diverged would do so again, step for step.
        """
        return self.state == "missing" or (retry and self.state == "failed" and not self.damaged)


def state_of(folder: Path, wanted: Wanted, held: RunState | None = None) -> RunState:
    """Return what became of the run of a folder, which need not exist.

    Args:
        folder: the run's.
        wanted: the scores that it should have.
        held: what the holder of its lease says of it, if anybody holds it.
    """
    if held is not None:
        return held
    name, run = folder.name, Folder(folder)
    state, why, _, scores = run.outcome()
    if state == "done":
        left = lacking(scores, wanted)
        why = kept.refusal(run, *{wanted.files[row] for row, _ in left if row in wanted.files})
        return RunState(name, "done" if why or not left else "missing", why)
    if state == "broken":
        return RunState(name, "failed", why, damaged=True)
    if state == "failed" or state == "diverged":
        return RunState(name, state, why, str((run.failure or {}).get("log", "")))
    return RunState(name, "missing", INTERRUPTED if run.has_config else "")


def lacking(scores: Mapping[str, Any] | None, wanted: Wanted) -> Collection[tuple[str, str]]:
    """Return those of the wanted rows that a run's `scores.json` lacks; all if there is none."""
    return wanted.rows - {
        (row["metric"], row["protocol"])
        for row in (scores or {"rows": []})["rows"]
        if not (row["reason"] or "").startswith(wanted.again)
    }
