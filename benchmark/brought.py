"""Codes of any other program: read with care, scored beside floor and ceiling."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS, UserError
from benchmark.requests import factors_of
from benchmark.score import encoded, scored, viewed
from datasets import Dataset
from metrics.base import needs, usual
from results.store import Codes

FLOOR, CEILING = "random (floor)", "truth (ceiling)"
LATENTS = 10
"""Of the floor."""


def read_codes(path: Path, dataset: Dataset) -> Codes:
    """Return a stranger's codes: an .npy of (N, L) numbers, or an .npz that holds them as `codes`.

    Line i is of image i of the data set or, where the .npz holds `index`, of image index[i]. An
    .npz may also hold `std`, the standard deviations (N, L) of the codes' posteriors.

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
    return Codes(codes, rows.astype(np.int64), names, ["normal"] * len(names), _std(path, arrays))


def _std(path: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Return the standard deviations of the codes' posteriors, if the file has them."""
    std = arrays.get("std")
    if std is not None and (
        std.shape != arrays["codes"].shape or std.dtype.kind != "f" or not (std > 0).all()
    ):
        raise UserError(f"{path}: `std` is not a number above 0 for each of its codes")
    return std


def _check_rows(path: Path, rows: NDArray[Any], count: int, dataset: Dataset) -> None:
    images = len(dataset)
    if rows.shape != (count,) or rows.dtype.kind not in "iu":
        raise UserError(f"{path}: `index` is {rows.dtype} {rows.shape}, not {count:,} integers")
    if count and not 0 <= rows.min() <= rows.max() < images:
        raise UserError(f"{path}: `index` is not within the {images:,} images of {dataset.name}")
    if len(np.unique(rows)) < count:
        raise UserError(f"{path}: `index` names an image more than once")


def brought(
    path: Path, dataset: Dataset, names: Sequence[str], seed: int, reference: bool
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a stranger's codes' rows and, if asked, those of floor and ceiling, by name.

    Raises:
        UserError: the file cannot be read, or does not fit the data set.
    """
    own = read_codes(path, dataset)
    subject = encoded(dataset, own)
    subjects = {path.stem: subject}
    if reference:
        chance = np.random.default_rng(seed).standard_normal((len(own.rows), LATENTS), np.float32)
        truth = subject.sheet["factors"].astype(np.float32)
        subjects[FLOOR] = encoded(dataset, _bare(chance, own.rows))
        subjects[CEILING] = encoded(dataset, _bare(truth, own.rows))
    for line, one in subjects.items():
        yield (
            line,
            [
                row
                for name in names
                for row in scored(name, viewed(one, dataset.spec, factors_of(name)), seed)
            ],
        )


def _bare(codes: NDArray[np.float32], rows: NDArray[np.int64]) -> Codes:
    names = [f"z{number}" for number in range(1, codes.shape[1] + 1)]
    return Codes(codes, rows, names, ["normal"] * len(names))


def usual_without_c1() -> list[str]:
    """Return the metrics that are scored where none is named, of codes without categories."""
    return [name for name in usual(METRICS) if "c1" not in needs(METRICS[name].value)]
