"""Run folders: the only code that knows what is in one.

`runs/<dataset>-<method>-<seed>-<key>/` holds `run.json` (what was asked), `log.csv`,
`checkpoint.pt` while it trains, `model.pt`, `codes.h5`, `traversal.h5`, `failure.json` if it failed
or diverged, and last `scores.json`: its presence means done. No file is ever seen half-written.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import UserError
from results.files import Shape, check, plain, read_arrays, read_record, write_arrays, write_record
from results.files import written as written
from results.whole import SCORES

State = Literal["done", "failed", "diverged", "unfinished", "broken"]
STATES: tuple[State, ...] = ("done", "failed", "diverged", "unfinished", "broken")
RUN_NAME = re.compile(r".+-.+-\d+-[0-9a-f]{10}")

_NUMBER = (int, float)
_ASKED: Shape = {
    "run": {
        "dataset": str,
        "method": str,
        "seed": int,
        "steps": int,
        "budget": str,
        "settings": dict,
        "precision": str,
    },
    "key": str,
    "sees": str,
    "representation": str,
}
_FAILURE: Shape = {"state": str, "reason": str}
_SCORES: Shape = {"rows": list, "train": dict}
_ROW: Shape = {
    "metric": str,
    "value": (*_NUMBER, type(None)),
    "reason": (str, type(None)),
    "protocol": str,
    "seconds": _NUMBER,
    "images": int,
}


class Codes(NamedTuple):
    """The codes of M images.

    Attributes:
        codes: (M, L) float32, or uint8 where the code is the image itself.
        rows: (M,) int64, the row of the data set that each line encodes.
        names: the L codes' names.
        kinds: the L codes' kinds (normal, uniform, categorical, noise, ...).
    """

    codes: NDArray[Any]
    rows: NDArray[np.int64]
    names: list[str]
    kinds: list[str]


class Traversal(NamedTuple):
    """Images along each of R codes.

    Attributes:
        strips: (R, V, C, H, W) uint8, 0..255.
        names: the R codes' names.
        values: (R, V), the value that the code takes in each image, in the code's own unit; NaN
            where there is no image.
        title: what the pictures show.
    """

    strips: NDArray[np.uint8]
    names: list[str]
    values: NDArray[np.float64]
    title: str


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
        record = read_record(self.path / "run.json", _ASKED)
        if record is None:
            raise UserError(f"{self.path} has no run.json")
        return record

    def ask(self, record: dict[str, Any]) -> None:
        """Write `run.json`; ValueError if `record` lacks something a table needs."""
        write_record(self.path / "run.json", record, _ASKED)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The scores (`scores.json`), or None while the run is not done."""
        record = read_record(self.path / SCORES, _SCORES)
        for row in [] if record is None else record["rows"]:
            check(row, _ROW, f"{self.path / 'scores.json'}: a row")
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
            check(row, _ROW, "a row of scores", ValueError)
        # In this order a crash in between leaves an unfinished run, never a done one that failed.
        self.forget_failure()
        write_record(self.path / SCORES, {**record, "rows": rows}, _SCORES)

    @property
    def failure(self) -> dict[str, Any] | None:
        """{"state", "reason", "step", "log"} of a failed or diverged run, or None.

        The log is the end of what it said (`failure.json`).
        """
        return read_record(self.path / "failure.json", _FAILURE)

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
        write_record(self.path / "failure.json", record, _FAILURE)

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
        try:
            if not self._begun():
                return "unfinished", ""
            self.asked  # noqa: B018
            if self.scores is not None:
                return "done", ""
            failure = self.failure
        except UserError as error:
            return "broken", str(error)
        if failure is None:
            return "unfinished", ""
        return ("diverged" if failure["state"] == "diverged" else "failed"), failure["reason"]

    def write_codes(
        self,
        codes: NDArray[Any],
        rows: NDArray[np.int64],
        names: Sequence[str],
        kinds: Sequence[str],
    ) -> None:
        """Write `codes.h5`; see `Codes` for the shapes; ValueError if they disagree."""
        codes, rows = np.asarray(codes), np.asarray(rows, np.int64)
        if codes.dtype != np.uint8:
            codes = codes.astype(np.float32, copy=False)
        if codes.ndim != 2 or rows.shape != codes.shape[:1]:
            raise ValueError(f"codes {codes.shape} and rows {rows.shape} are not (M, L) and (M,)")
        if not len(names) == len(kinds) == codes.shape[1]:
            raise ValueError(f"{len(names)} names and {len(kinds)} kinds, {codes.shape[1]} codes")
        write_arrays(self.path / "codes.h5", codes=codes, rows=rows, names=names, kinds=kinds)

    def codes(self) -> Codes:
        """Read `codes.h5`; UserError if it is missing or damaged."""
        found = read_arrays(self.path / "codes.h5", "codes", "rows", "names", "kinds")
        return Codes(found["codes"], found["rows"], found["names"], found["kinds"])

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
        children = sorted(Path(out).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot list runs in {out}: {error.strerror or error}") from error
    return [Folder(path) for path in children if RUN_NAME.fullmatch(path.name) and path.is_dir()]


def _with_reason(row: Mapping[str, Any]) -> dict[str, Any]:
    value = row.get("value")
    if value is None or math.isfinite(value):
        return dict(row)
    return {**row, "value": None, "reason": row.get("reason") or f"the metric gave {value}"}
