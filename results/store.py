"""Run folders: the only code that knows what is in one.

`runs/<dataset>-<method>-<seed>-<key>/` has `run.json` (the configuration), `log.csv`,
`checkpoint.pt` while it trains, `model.pt`, arrays (see `results.arrays.FILES`), and last
`scores.json`: its presence means done, unless there is `failure.json`: it failed or diverged, maybe
when it was scored again. No file is ever seen half-written.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from benchmark.registry import UserError
from results.arrays import FILES, Features, Information, Pictures, check_shapes
from results.arrays import Codes as Codes
from results.arrays import Generated as Generated
from results.arrays import Traversal as Traversal
from results.atomic import SCORES
from results.files import check, plain, read_arrays, read_record, write_arrays, write_record
from results.records import CONFIG, FAILURE, SCORED

A = TypeVar("A", Codes, Generated, Features, Traversal, Pictures, Information)

State = Literal["done", "failed", "diverged", "unfinished", "broken"]
RUN_NAME = re.compile(r"(?P<dataset>.+)-(?P<method>.+)-\d+-[0-9a-f]{10}")
RECORDS = ("run.json", "scores.json", "failure.json")
"""What a run's state and scores are read from."""


class Outcome(NamedTuple):
    """What became of a run.

    Attributes:
        state: done, failed, diverged, unfinished, or broken (what is there cannot be read).
        reason: why it is failed, diverged or broken; "" otherwise.
        config: `run.json`, or None where it is missing or cannot be read.
        scores: `scores.json` of a run that is done.
    """

    state: State
    reason: str = ""
    config: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None


@dataclass(frozen=True)
class Folder:
    """One run's folder; it need not exist yet.

    Reading a record that is there but unreadable raises UserError naming the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's name: `<dataset>-<method>-<seed>-<key>`."""
        return self.path.name

    def log(self, stage: str = "train") -> Path:
        """Return `log.csv`, the losses over the steps, of training or of another stage."""
        return self.path / _staged("log.csv", stage)

    @property
    def tracked(self) -> Path:
        """`tracked.csv`, the scores over the steps of training, where they were requested."""
        return self.path / "tracked.csv"

    def checkpoint(self, stage: str = "train") -> Path:
        """Return `checkpoint.pt`, which is there while the stage trains."""
        return self.path / _staged("checkpoint.pt", stage)

    def model(self, stage: str = "train") -> Path:
        """Return `model.pt`, what the stage trained."""
        return self.path / _staged("model.pt", stage)

    @property
    def has_config(self) -> bool:
        """Whether `run.json` is there."""
        return (self.path / "run.json").exists()

    @property
    def config(self) -> dict[str, Any]:
        """What was requested, of which versions, where (`run.json`); UserError if it is missing."""
        record = read_record(self.path / "run.json", CONFIG)
        if record is None:
            raise UserError(f"{self.path} has no run.json")
        return record

    def write_config(self, record: dict[str, Any]) -> None:
        """Write `run.json`; ValueError if `record` lacks something a table needs."""
        write_record(self.path / "run.json", record, CONFIG)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The scores (`scores.json`), or None while the run is not done."""
        return read_record(self.path / SCORES, SCORED)

    def finish(self, record: dict[str, Any]) -> None:
        """Write `scores.json`, which marks the run as done, and forget an earlier failure.

        JSON has no NaN: numbers that are not finite become null, and such a row gets a reason.

        Args:
            record: {"rows": [{"metric", "value", "reason", "protocol", "seconds", "images"}, ...],
                "train": {...}, "kept": scores, codes or weights}; without `kept`, all is.

        Raises:
            ValueError: `record` lacks something a table needs.
        """
        record = plain({**record, "rows": [_with_reason(row) for row in record["rows"]]})
        check(record, SCORED, SCORES, ValueError)
        # In this order a crash in between leaves an unfinished run, never a done one that failed.
        self.forget_failure()
        write_record(self.path / SCORES, record, SCORED)

    @property
    def failure(self) -> dict[str, Any] | None:
        """{"state", "reason", "step", "log"} of a failed or diverged run, or None.

        The log is the end of its output (`failure.json`).
        """
        return read_record(self.path / "failure.json", FAILURE)

    def fail(
        self,
        state: Literal["failed", "diverged"],
        reason: str,
        step: int | None = None,
        log: str = "",
    ) -> None:
        """Write `failure.json`: why the run failed or diverged, in which step, its last output."""
        record = {"state": state, "reason": reason, "step": step, "log": log}
        write_record(self.path / "failure.json", record, FAILURE)

    def forget_failure(self) -> None:
        """Remove `failure.json`, before another attempt."""
        (self.path / "failure.json").unlink(missing_ok=True)

    @property
    def state(self) -> State:
        """The state of `outcome`."""
        return self.outcome().state

    @property
    def reason(self) -> str:
        """The reason of `outcome`."""
        return self.outcome().reason

    def outcome(self) -> Outcome:
        """Return all that tables need, reading each file once; what is broken is no error."""
        config = None
        try:
            config = read_record(self.path / "run.json", CONFIG)
            if config is None and self._has_files():
                return Outcome("broken", f"{self.path} has no run.json")
            failure = None if config is None else self.failure
            scores = None if config is None or failure is not None else self.scores
        except UserError as error:
            return Outcome("broken", str(error), config)
        if failure is not None:
            state: State = "diverged" if failure["state"] == "diverged" else "failed"
            return Outcome(state, failure["reason"], config)
        return Outcome("unfinished" if scores is None else "done", "", config, scores)

    @property
    def progress(self) -> tuple[int, int]:
        """The training steps in the log, and those of the configuration; (0, 0) if unknown."""
        try:
            steps = self.config["run"]["steps"]
            last = self.log().read_text().rpartition("\n")[0].rpartition("\n")[2]
            return min(int(last.partition(",")[0]), steps), steps
        except (UserError, OSError, ValueError):
            return 0, 0

    def summary(self) -> str:
        """Return the outcome in a line: the scores, or why there are none."""
        outcome = self.outcome()
        if outcome.scores is None:
            return f"{self.name}: {outcome.state}: {outcome.reason}"
        there = [row for row in outcome.scores["rows"] if row["value"] is not None]
        scores = ", ".join(f"{row['metric']} {row['value']:.3f}" for row in there)
        return f"{self.name}: {scores or 'done'}"

    def has(self, kind: type) -> bool:
        """Return whether the file of these arrays is there."""
        return (self.path / FILES[kind].name).exists()

    def write(self, arrays: A) -> None:
        """Write the file of these arrays; ValueError if they have not the shapes of `FILES`."""
        file, there = FILES[type(arrays)], arrays._asdict()
        there = {name: array for name, array in there.items() if array is not None}
        check_shapes(there, file.shapes)
        stored = {name: array if file.shapes[name] else [array] for name, array in there.items()}
        write_arrays(self.path / file.name, compression=file.compression, **stored)

    def read(self, kind: type[A]) -> A:
        """Read the file of these arrays; UserError if it is missing or damaged."""
        file = FILES[kind]
        needed = [name for name in file.shapes if name not in file.optional]
        stored = read_arrays(self.path / file.name, *needed, optional=file.optional)
        return kind(
            **{name: array if file.shapes[name] else array[0] for name, array in stored.items()}
        )

    def get(self, kind: type[A]) -> A | None:
        """Return what `read` returns; None where there is no such file."""
        return self.read(kind) if self.has(kind) else None

    def _has_files(self) -> bool:
        try:
            return any(not child.name.startswith(".") for child in self.path.iterdir())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}") from error


def _staged(name: str, stage: str) -> str:
    return name if stage == "train" else f"{stage}-{name}"


def place(out: Path, dataset: str, method: str, seed: int, key: str) -> Folder:
    """Return the folder of a run in `out`; `key` is ten hex digits."""
    name = f"{dataset}-{method}-{seed}-{key}"
    if not RUN_NAME.fullmatch(name) or "/" in name:
        raise ValueError(f"{name!r} is not <dataset>-<method>-<seed>-<ten hex digits>")
    return Folder(Path(out) / name)


def folders(out: Path) -> list[Folder]:
    """Return the run folders in `out` by name; a missing `out` has none; other folders are ignored.

    Raises:
        UserError: `out` cannot be listed.
    """
    try:
        with os.scandir(out) as children:
            names = sorted(c.name for c in children if RUN_NAME.fullmatch(c.name) and c.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot list runs in {out}: {error.strerror or error}") from error
    return [Folder(Path(out) / name) for name in names]


def _with_reason(row: Mapping[str, Any]) -> dict[str, Any]:
    value = row.get("value")
    if value is None or math.isfinite(value):
        return dict(row)
    return {**row, "value": None, "reason": row.get("reason") or f"the metric gave {value}"}
