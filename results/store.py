"""Run folders: the only code that knows what is in one.

`runs/<dataset>-<method>-<seed>-<key>/` holds `run.json` (what was asked), `log.csv`,
`checkpoint.pt` while it trains, `model.pt`, `codes.h5`, `generated.h5` if the generator's side is
scored, `inception.h5` if its images are, `traversal.h5`, `failure.json` if it failed or diverged,
and last `scores.json`: its presence means done. No file is ever seen half-written.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import UserError
from results.arrays import Codes as Codes
from results.arrays import Generated as Generated
from results.arrays import Traversal as Traversal
from results.arrays import check_table
from results.atomic import SCORES
from results.files import check, plain, read_arrays, read_record, write_arrays, write_record
from results.files import written as written
from results.records import ASKED, FAILURE, ROW, SCORED

State = Literal["done", "failed", "diverged", "unfinished", "broken"]
STATES: tuple[State, ...] = ("done", "failed", "diverged", "unfinished", "broken")
RUN_NAME = re.compile(r"(?P<dataset>.+)-(?P<method>.+)-\d+-[0-9a-f]{10}")
RECORDS = ("run.json", "scores.json", "failure.json")
"""What a run's state and scores are read from."""


class Account(NamedTuple):
    """What there is to say of a run.

    Attributes:
        state: done, failed, diverged, unfinished, or broken.
        reason: why it is failed, diverged or broken; "" otherwise.
        asked: `run.json`, or None where it is missing or cannot be read.
        scores: `scores.json` of a run that is done.
    """

    state: State
    reason: str
    asked: dict[str, Any] | None
    scores: dict[str, Any] | None


class Folder:
    """One run's folder; it need not exist yet.

    Reading a record that is there but unreadable raises UserError naming the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    @property
    def name(self) -> str:
        """The folder's name: `<dataset>-<method>-<seed>-<key>`."""
        return self.path.name

    def log(self, stage: str = "train") -> Path:
        """Return `log.csv`, the losses over the steps, of training or of another stage."""
        return self.path / _staged("log.csv", stage)

    @property
    def tracked(self) -> Path:
        """`tracked.csv`, the scores over the steps of training, where they were asked for."""
        return self.path / "tracked.csv"

    def checkpoint(self, stage: str = "train") -> Path:
        """Return `checkpoint.pt`, which is there while the stage trains."""
        return self.path / _staged("checkpoint.pt", stage)

    def model(self, stage: str = "train") -> Path:
        """Return `model.pt`, what the stage trained."""
        return self.path / _staged("model.pt", stage)

    @property
    def has_codes(self) -> bool:
        """Whether `codes.h5` is there."""
        return (self.path / "codes.h5").exists()

    @property
    def has_generated(self) -> bool:
        """Whether `generated.h5` is there."""
        return (self.path / "generated.h5").exists()

    @property
    def has_features(self) -> bool:
        """Whether `inception.h5` is there."""
        return (self.path / "inception.h5").exists()

    @property
    def has_traversal(self) -> bool:
        """Whether `traversal.h5` is there."""
        return (self.path / "traversal.h5").exists()

    def traversal_older_than(self, path: Path) -> bool:
        """Return whether `path` is there and newer than `traversal.h5`."""
        made = (self.path / "traversal.h5").stat().st_mtime
        return path.exists() and path.stat().st_mtime > made

    @property
    def was_asked(self) -> bool:
        """Whether `run.json` is there."""
        return (self.path / "run.json").exists()

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked (`run.json`); UserError if there is none."""
        record = read_record(self.path / "run.json", ASKED)
        if record is None:
            raise UserError(f"{self.path} has no run.json")
        return record

    def ask(self, record: dict[str, Any]) -> None:
        """Write `run.json`; ValueError if `record` lacks something a table needs."""
        write_record(self.path / "run.json", record, ASKED)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The scores (`scores.json`), or None while the run is not done."""
        record = read_record(self.path / SCORES, SCORED)
        for row in [] if record is None else record["rows"]:
            check(row, ROW, f"{self.path / 'scores.json'}: a row")
        return record

    def finish(self, record: dict[str, Any]) -> None:
        """Write `scores.json`, which marks the run as done, and forget an earlier failure.

        JSON has no NaN: numbers that are not finite become null, and such a row gets a reason.

        Args:
            record: {"rows": [{"metric", "value", "reason", "protocol", "seconds", "images"}, ...],
                "train": {...}}.

        Raises:
            ValueError: `record` lacks something a table needs.
        """
        rows = [plain(_with_reason(row)) for row in record["rows"]]
        for row in rows:
            check(row, ROW, "a row of scores", ValueError)
        # In this order a crash in between leaves an unfinished run, never a done one that failed.
        self.forget_failure()
        write_record(self.path / SCORES, {**record, "rows": rows}, SCORED)

    @property
    def failure(self) -> dict[str, Any] | None:
        """{"state", "reason", "step", "log"} of a failed or diverged run, or None.

        The log is the end of what it said (`failure.json`).
        """
        return read_record(self.path / "failure.json", FAILURE)

    def fail(
        self,
        state: Literal["failed", "diverged"],
        reason: str,
        step: int | None = None,
        log: str = "",
    ) -> None:
        """Write `failure.json`: why the run failed or diverged, in which step, its last words."""
        if state not in ("failed", "diverged"):
            raise ValueError(f"a run ends as 'failed' or 'diverged', not as {state!r}")
        record = {"state": state, "reason": reason, "step": step, "log": log}
        write_record(self.path / "failure.json", record, FAILURE)

    def forget_failure(self) -> None:
        """Remove `failure.json`, before another attempt."""
        (self.path / "failure.json").unlink(missing_ok=True)

    @property
    def state(self) -> State:
        """done, failed, diverged, unfinished, or broken (what is there cannot be read)."""
        return self.judge()[0]

    @property
    def reason(self) -> str:
        """Why the run is failed, diverged or broken; "" otherwise."""
        return self.judge()[1]

    def judge(self) -> tuple[State, str]:
        """Return the state and its reason, reading each file once."""
        return self.account()[:2]

    def account(self) -> Account:
        """Return all that tables need, reading each file once; what is broken is no error."""
        asked = None
        try:
            asked = read_record(self.path / "run.json", ASKED)
            if asked is None:
                lost = self._begun()
                reason = f"{self.path} has no run.json" if lost else ""
                return Account("broken" if lost else "unfinished", reason, None, None)
            scores = self.scores
            failure = self.failure if scores is None else None
        except UserError as error:
            return Account("broken", str(error), asked, None)
        if scores is not None:
            return Account("done", "", asked, scores)
        if failure is None:
            return Account("unfinished", "", asked, None)
        state: State = "diverged" if failure["state"] == "diverged" else "failed"
        return Account(state, failure["reason"], asked, None)

    @property
    def progress(self) -> tuple[int, int]:
        """The training steps in the log, and those that were asked for; (0, 0) if unknown."""
        try:
            asked = self.asked["run"]["steps"]
            last = self.log().read_text().rpartition("\n")[0].rpartition("\n")[2]
            return min(int(last.partition(",")[0]), asked), asked
        except (UserError, OSError, ValueError):
            return 0, 0

    def summary(self) -> str:
        """Return what the run came to, in a line: its scores, or why there are none."""
        account = self.account()
        if account.scores is None:
            return f"{self.name}: {account.state}: {account.reason}"
        there = [row for row in account.scores["rows"] if row["value"] is not None]
        scores = ", ".join(f"{row['metric']} {row['value']:.3f}" for row in there)
        return f"{self.name}: {scores or 'done'}"

    def write_codes(self, found: Codes) -> None:
        """Write `codes.h5`; ValueError if the shapes are not those of `Codes`."""
        codes, rows = np.asarray(found.codes), np.asarray(found.rows, np.int64)
        if codes.dtype != np.uint8:
            codes = codes.astype(np.float32, copy=False)
        check_table(codes, found.names, found.kinds, rows=rows)
        if found.std is not None and np.shape(found.std) != codes.shape:
            raise ValueError(f"std {np.shape(found.std)} is not that of codes {codes.shape}")
        arrays = found._replace(codes=codes, rows=rows)._asdict()
        there = {name: array for name, array in arrays.items() if array is not None}
        write_arrays(self.path / "codes.h5", **there)

    def codes(self) -> Codes:
        """Read `codes.h5`; UserError if it is missing or damaged."""
        needed = ("codes", "rows", "names", "kinds")
        more = ("std", "squared_errors")
        return Codes(**read_arrays(self.path / "codes.h5", *needed, optional=more))

    def write_generated(self, found: Generated) -> None:
        """Write `generated.h5`; ValueError if the shapes are not those of `Generated`."""
        check_table(found.codes, found.names, found.kinds, factors=found.factors[:, 0])
        write_arrays(self.path / "generated.h5", **found._asdict())

    def generated(self) -> Generated:
        """Read `generated.h5`; UserError if it is missing or damaged."""
        return Generated(**read_arrays(self.path / "generated.h5", *Generated._fields))

    def write_features(self, features: NDArray[np.float32]) -> None:
        """Write `inception.h5`, what Inception sees in generated images: (n, 2048)."""
        write_arrays(self.path / "inception.h5", features=features)

    def features(self) -> NDArray[np.float32]:
        """Read `inception.h5`; UserError if it is missing or damaged."""
        found: NDArray[np.float32] = read_arrays(self.path / "inception.h5", "features")["features"]
        return found

    def write_traversal(
        self,
        strips: NDArray[np.uint8],
        names: Sequence[str],
        values: NDArray[np.floating],
        title: str,
    ) -> None:
        """Write `traversal.h5`; see `Traversal` for the shapes; ValueError if they disagree."""
        strips, values = np.asarray(strips), np.asarray(values, np.float64)
        if strips.ndim != 5 or strips.dtype != np.uint8:
            raise ValueError(f"strips are {strips.dtype} {strips.shape}, not uint8 (R, V, C, H, W)")
        if values.shape != strips.shape[:2] or len(names) != len(strips):
            raise ValueError(f"{len(names)} names, values {values.shape}, strips {strips.shape}")
        write_arrays(
            self.path / "traversal.h5", strips=strips, names=names, values=values, title=[title]
        )

    def traversal(self) -> Traversal:
        """Read `traversal.h5`; UserError if it is missing or damaged."""
        found = read_arrays(self.path / "traversal.h5", "strips", "names", "values", "title")
        return Traversal(found["strips"], found["names"], found["values"], found["title"][0])

    def _begun(self) -> bool:
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
