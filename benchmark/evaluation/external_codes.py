"""Codes of any other program: read, checked, and scored beside floor and ceiling."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.config.score import Score
from benchmark.evaluation.score import Row, encoded, scored
from benchmark.registry import METRICS, UserError
from datasets import Dataset, Spec, Table
from metrics.base import as_codes, needs, usual
from results.store import Codes

FLOOR, CEILING = "random (floor)", "truth (ceiling)"
LATENTS = 10
"""Of the floor."""
FEW = 1_000
"""Below so many rows, chance shows in scores: random codes of 96 images have a MIG of 0.03."""
KEYS = ("codes", "factors", "index", "std")
"""What is read of a file; nothing else in it is touched."""

Arrays = Mapping[str, NDArray[Any]]


def read_codes(path: Path, dataset: Callable[[], Dataset]) -> tuple[Dataset, Codes]:
    """Return a table (N, L) of numbers that is in a file as `codes`, with the images they are of.

    The file is an .npz, an .npy of `codes` alone, or a .pt of a dictionary of tensors or of the
    codes alone. Line i is of image i of the data set or, where the file holds `index`, of image
    index[i]. It may also hold `std`, the standard deviations (N, L) of the codes' posteriors, or
    `factors` (N, K), and then needs no data set.

    Raises:
        UserError: the file cannot be read, or does not fit the data set; of pickles, only tensors
            are read.
    """
    return matched(path, _read(path), dataset)


def _read(path: Path) -> Arrays:
    """Return those of the arrays `KEYS` that are in the file, with `codes` among them."""
    tensors = path.suffix.lower() in (".pt", ".pth")
    try:
        arrays, names = _read_tensors(path) if tensors else _read_arrays(path)
    except Exception as error:  # whatever a damaged file leads its reader to
        reason: object = error
        if tensors and not isinstance(error, OSError):
            reason = "it is no tensor, or dictionary with tensors, that torch.save wrote"
        elif isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        elif "pickle" in str(error):
            reason = "no .npy or .npz of numbers, or .pt of tensors; objects are not unpickled"
        raise UserError(f"cannot read codes from {path}: {reason}") from error
    if "codes" not in arrays:
        raise UserError(f"{path} has no table `codes`; it has {', '.join(names) or 'nothing'}")
    return arrays


def _read_arrays(path: Path) -> tuple[Arrays, list[str]]:
    """Return the arrays of an .npy or .npz, and the names of all that it holds."""
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return {"codes": found}, []
    with found:
        arrays = {key: np.asarray(found[key]) for key in KEYS if key in found.files}
        return arrays, found.files


def _read_tensors(path: Path) -> tuple[Arrays, list[str]]:
    """Return the arrays of a .pt, and the names of all that it holds."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that torch did not write
        found = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(found, torch.Tensor):
        found = {"codes": found}
    if not isinstance(found, dict):
        raise TypeError(f"a {type(found).__name__}")
    arrays = {}
    for key in KEYS:
        if key in found:
            # NumPy has no bfloat16.
            small = found[key].is_floating_point() and found[key].itemsize < 4
            arrays[key] = (found[key].float() if small else found[key]).numpy(force=True)
    return arrays, [str(key) for key in found]


def matched(
    source: Path | str, arrays: Arrays, dataset: Callable[[], Dataset]
) -> tuple[Dataset, Codes]:
    """Return the data set that the codes among `arrays` are of, and the codes of its images.

    Raises:
        UserError: they are no codes, or do not fit the data set or their factors; names `source`.
    """
    try:
        arrays = {**arrays, "codes": as_codes(arrays["codes"])}
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error
    images = _without_images(source, arrays) if "factors" in arrays else dataset()
    codes = arrays["codes"]
    if "index" not in arrays and len(codes) != len(images):
        raise UserError(
            f"{source} has {len(codes):,} lines and {images.name} {len(images):,} images; "
            "`index` in an .npz may say which images they are of, or `factors` bring their own"
        )
    rows = arrays.get("index", np.arange(len(codes)))
    _check_rows(source, rows, len(codes), images)
    std = arrays.get("std")
    if std is not None:
        _check_std(source, std, codes)
    return images, _codes(codes, rows.astype(np.int64), std)


def _codes(codes: NDArray[Any], rows: NDArray[np.int64], std: NDArray[Any] | None = None) -> Codes:
    names = [f"z{number}" for number in range(1, codes.shape[1] + 1)]
    return Codes(codes, rows, names, ["normal"] * len(names), std)


def _check_std(path: Path | str, std: NDArray[Any], codes: NDArray[Any]) -> None:
    right = std.shape == codes.shape and std.dtype.kind == "f"
    if not right or not ((std > 0) & np.isfinite(std)).all():
        raise UserError(f"{path}: `std` is not a number above 0 for each of its codes")


def _check_rows(path: Path | str, rows: NDArray[Any], count: int, dataset: Dataset) -> None:
    images = len(dataset)
    if rows.shape != (count,) or rows.dtype.kind not in "iu":
        raise UserError(f"{path}: `index` is {rows.dtype} {rows.shape}, not {count:,} integers")
    if count and not 0 <= rows.min() <= rows.max() < images:
        raise UserError(f"{path}: `index` is not within the {images:,} images of {dataset.name}")
    if len(np.unique(rows)) < count:
        raise UserError(f"{path}: `index` names an image more than once")


def _without_images(path: Path | str, arrays: Arrays) -> Table:
    """Return a data set of black pixels that has the factors (N, K) of a file, f1 to fK."""
    factors, count = arrays["factors"], len(arrays["codes"])
    if "index" in arrays:
        raise UserError(f"{path} has `factors`, line by line those of `codes`, and `index` too")
    if factors.ndim != 2 or len(factors) != count or factors.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: `factors` must be integers ({count}, K), a line for each of its codes; "
            f"found {factors.dtype} {factors.shape}"
        )
    names = tuple(f"f{number}" for number in range(1, factors.shape[1] + 1))
    sizes = tuple(max(1, int(most) + 1) for most in np.nan_to_num(factors.max(0)))
    black, rows = np.broadcast_to(np.uint8(0), (count, 1)), np.arange(count)
    return Table(Spec(str(path), (1, 1, 1), 256, names, sizes), black, factors, rows, rows)


def score_files(
    paths: Sequence[Path],
    dataset: Callable[[], Dataset],
    scores: Sequence[Score],
    seed: int,
    reference: bool,
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each file's codes and of floor and ceiling, by name.

    Args:
        paths: the files.
        dataset: returns the data set that codes are of; not called for files with `factors`.
        scores: that are taken.
        seed: of the metrics, and of the floor.
        reference: whether floor and ceiling are scored.

    Raises:
        UserError: a file cannot be read, or does not fit the data set, or floor and ceiling are
            to be scored and the files are not of the same images.
    """
    stems = [path.stem for path in paths]
    named = {path.stem if stems.count(path.stem) == 1 else str(path): path for path in paths}
    lines = {name: read_codes(path, dataset) for name, path in named.items()}
    for name, (_, codes) in lines.items():
        if (count := len(codes.rows)) < FEW:
            few = f"{named[name]} has {count} rows of codes, and chance shows in scores of fewer"
            print(f"warning: {few} than {FEW:,}", file=sys.stderr)
    if reference:
        _check_same(list(lines.values()))
        lines |= _references(*next(iter(lines.values())), seed)
    for name, (images, codes) in lines.items():
        yield name, rows_of(images, codes, scores, seed)


def rows_of(images: Dataset, codes: Codes, scores: Sequence[Score], seed: int) -> list[Row]:
    """Return the rows of scores of codes."""
    subject = encoded(images, codes)
    return [row for one in scores for row in scored(one, subject, seed)]


def _check_same(lines: Sequence[tuple[Dataset, Codes]]) -> None:
    first, *others = (images.factors(codes.rows) for images, codes in lines)
    if not all(np.array_equal(first, other) for other in others):
        raise UserError(
            "the files of --codes are of different images, for which floor and ceiling differ: "
            "score each by itself, or give --no-reference"
        )


def _references(images: Dataset, codes: Codes, seed: int) -> dict[str, tuple[Dataset, Codes]]:
    """Return random codes and the true factors of the same images, by name."""
    rows = codes.rows
    chance = np.random.default_rng(seed).standard_normal((len(rows), LATENTS), np.float32)
    truth = images.factors(rows).astype(np.float32)
    return {
        FLOOR: (images, _codes(chance, rows)),
        CEILING: (images, _codes(truth, rows)),
    }


def usual_without_c1() -> list[str]:
    """Return the metrics that are scored where none is named, of codes without categories."""
    return [name for name in usual(METRICS) if "c1" not in needs(METRICS[name].value)]
