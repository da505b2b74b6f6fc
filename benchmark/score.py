"""Scores codes that are there already: a run's, or those of any other program."""

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from benchmark.registry import METRICS, UserError
from datasets import Dataset, load
from metrics.base import inapplicable, needs, row_names, score, usual
from results.store import Codes, Folder

Sheet = dict[str, NDArray[Any]]
FLOOR, CEILING = "random (floor)", "truth (ceiling)"
LATENTS = 10
"""Of the floor."""


def sheet(dataset: Dataset, found: Codes) -> Sheet:
    """Return what metrics may need, by name: see `metrics.base`.

    A data set without a split is halved at random, the same way every time.
    """
    factors = dataset.factors(found.rows)
    given: Sheet = {"codes": found.codes, "factors": factors}
    if dataset.spec.label_column is not None:
        given["label"] = factors[:, dataset.spec.label_column]
    if "categorical" in found.kinds:
        given["c1"] = found.codes[:, found.kinds.index("categorical")].astype(np.int64)
    if len(dataset.test) == len(dataset):
        given["held_out"] = np.random.default_rng(0).random(len(found.rows)) < 0.5
    else:
        given["held_out"] = np.isin(found.rows, dataset.test)
    return given


def scored(name: str, given: Sheet, dataset: Dataset, seed: int) -> list[dict[str, Any]]:
    """Return the rows of one metric: values, or a reason why there are none."""
    entry = METRICS[name]
    start = time.perf_counter()
    values: dict[str, float | None] = dict.fromkeys(row_names(entry))
    reason = inapplicable(entry, has=given, factors=len(dataset.factor_sizes))
    images = 0 if reason else len(given["codes"])
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    try:
        values |= score(entry, given, rng) if reason is None else {}
    except ValueError as error:
        reason = str(error)
    told = {"protocol": entry.facts["protocol"], "images": images, "reason": reason}
    told["seconds"] = time.perf_counter() - start
    return [{"metric": row, "value": value, **told} for row, value in values.items()]


def again(folder: Folder, names: Sequence[str], data_dir: Path | None) -> list[dict[str, Any]]:
    """Score a finished run by its stored codes, put the rows into its folder, and return them.

    Raises:
        UserError: the run is not done, or its codes cannot be read.
    """
    if not folder.path.is_dir():
        raise UserError(f"there is no folder {folder.path}")
    before = folder.scores
    if before is None:
        raise UserError(f"{folder.path} is not a finished run; python -m benchmark run finishes it")
    run, coded = folder.asked["run"], folder.asked["representation"] != "none"
    if coded and not folder.has_codes:
        raise UserError(
            f"{folder.path} has lost its codes.h5; remove its scores.json, and the command that "
            "made the run encodes again"
        )
    dataset = load(run["dataset"], data_dir)
    given = sheet(dataset, folder.codes()) if coded else {}
    rows = [row for name in names for row in scored(name, given, dataset, run["seed"])]
    new = {row["metric"] for row in rows}
    kept = [row for row in before["rows"] if row["metric"] not in new]
    folder.finish({**before, "rows": kept + rows})
    return rows


def read_codes(path: Path, dataset: Dataset) -> Codes:
    """Return a stranger's codes: an .npy of (N, L) numbers, or an .npz that holds them as `codes`.

    Line i is of image i of the data set or, where the .npz holds `index`, of image index[i].

    Raises:
        UserError: the file cannot be read, or does not fit the data set; nothing is unpickled.
    """
    try:
        found = np.load(path, allow_pickle=False)
        arrays = {"codes": found} if isinstance(found, np.ndarray) else dict(found)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        reason = "it is no .npy or .npz of numbers" if "pickle" in str(error) else error
        raise UserError(f"cannot read codes from {path}: {reason}") from error
    codes = arrays.get("codes")
    if codes is None or codes.ndim != 2 or codes.dtype.kind not in "fiub":
        there = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
        raise UserError(f"{path} has no table `codes` of numbers (N, L); it has {there}")
    if not codes.size:
        raise UserError(f"{path} has no codes: their shape is {codes.shape}")
    if not np.isfinite(codes).all():
        row, column = np.argwhere(~np.isfinite(codes))[0]
        raise UserError(
            f"{path} has codes that are not finite, first in row {row}, column {column}"
        )
    if "index" not in arrays and len(codes) != len(dataset):
        raise UserError(
            f"{path} has {len(codes):,} lines and {dataset.name} {len(dataset):,} images; "
            "an .npz with `index` may say which images they are of"
        )
    rows = arrays.get("index", np.arange(len(codes)))
    _check_rows(path, rows, len(codes), dataset)
    names = [f"z{number}" for number in range(1, codes.shape[1] + 1)]
    return Codes(codes, rows.astype(np.int64), names, ["normal"] * len(names))


def _check_rows(path: Path, rows: NDArray[Any], count: int, dataset: Dataset) -> None:
    images = len(dataset)
    if rows.shape != (count,) or rows.dtype.kind not in "iu":
        raise UserError(f"{path}: `index` is {rows.dtype} {rows.shape}, not {count:,} integers")
    if count and not 0 <= rows.min() <= rows.max() < images:
        raise UserError(f"{path}: `index` is not within the {images:,} images of {dataset.name}")


def brought(
    path: Path, dataset: Dataset, names: Sequence[str], seed: int, reference: bool
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a stranger's codes' rows and, if asked, those of floor and ceiling, by name.

    Raises:
        UserError: the file cannot be read, or does not fit the data set.
    """
    own = read_codes(path, dataset)
    sheets = {path.stem: sheet(dataset, own)}
    if reference:
        chance = np.random.default_rng(seed).standard_normal((len(own.rows), LATENTS), np.float32)
        truth = dataset.factors(own.rows).astype(np.float32)
        sheets |= {
            line: sheets[path.stem] | {"codes": codes}
            for line, codes in ((FLOOR, chance), (CEILING, truth))
        }
    for line, given in sheets.items():
        yield line, [row for name in names for row in scored(name, given, dataset, seed)]


def table(found: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Return a table of metrics by lines; a dash where there is no value."""
    lines = Table("metric", *found, box=box.SIMPLE)
    for cells in zip(*found.values(), strict=True):
        shown = ["-" if row["value"] is None else f"{row['value']:.3f}" for row in cells]
        lines.add_row(cells[0]["metric"], *shown)
    return lines


def usual_without_c1() -> list[str]:
    """Return the metrics that are scored where none is named, of codes without categories."""
    return [name for name in usual(METRICS) if "c1" not in needs(METRICS[name].value)]


def reasons(found: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a line for each value that is not there."""
    for line, rows in found.items():
        yield from (f"{line}: {row['metric']}: {row['reason']}" for row in rows if row["reason"])


def as_json(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return {line: {metric: {value, protocol, seconds, images, reason}}}."""
    return {
        line: {row["metric"]: {k: v for k, v in row.items() if k != "metric"} for row in rows}
        for line, rows in found.items()
    }
