"""The arrays of a data set: row numbers, packed images, factors of continuous values."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.registry import UserError

Index = NDArray[np.int64]
Images = NDArray[np.uint8]
Integers = NDArray[Any]


def numbered(index: ArrayLike, n: int) -> Index:
    """Return the row numbers (m,), int64 in 0..n-1, that an index of n rows means.

    Args:
        index: (m,) whole numbers, negative ones counted from the end, or a mask (n,).
        n: how many rows there are.

    Raises:
        IndexError: it is neither, or a row is not there.
    """
    rows = np.asarray(index)
    if rows.dtype == bool and rows.shape == (n,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise IndexError(
            f"rows are (m,) whole numbers or a mask ({n},), not {rows.dtype} {rows.shape}"
        )
    rows = rows.astype(np.int64)
    if rows.size and not (-n <= rows.min() and rows.max() < n):
        raise IndexError(f"rows are in 0..{n - 1}, not {rows.min()}..{rows.max()}")
    return np.where(rows < 0, rows + n, rows)


def packed_images(images: NDArray[Any], levels: int) -> Images:
    """Return images (N, C, H, W), uint8 in 0..levels-1, as `Dataset.packed` has them (N, bytes).

    Raises:
        UserError: they are not such images.
    """
    kind, shape = images.dtype, images.shape
    if kind != np.uint8:
        said = "uint8 (floats in 0..1: (255 * images).round().astype(np.uint8))"
        raise UserError(f"images must be {said}; found {kind}")
    if images.ndim != 4 or shape[1] not in (1, 3) or 0 in shape:
        said = "(N, C, H, W), C 1 or 3 (of (N, H, W, C): images.transpose(0, 3, 1, 2))"
        raise UserError(f"images must be {said}; found {shape}")
    if levels not in (2, 256) or images.max() >= levels:
        said = f"levels=2 is of images in 0..1, levels=256 of 0..255; found levels={levels}"
        raise UserError(f"{said} and 0..{images.max()}")
    rows = images.reshape(len(images), -1)
    return np.packbits(rows, axis=1) if levels == 2 else rows


def binned(values: NDArray[Any], bins: int) -> tuple[Index, tuple[int, ...]]:
    """Return factors (N, K) of continuous values (N, K), and the sizes: `bins` for each.

    Bins are of equal width over the range of each column.

    Raises:
        UserError: values are no finite table, or there are fewer than two bins.
    """
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.size == 0:
        raise UserError(f"values must be numbers (N, K); found {values.dtype} {values.shape}")
    if not np.isfinite(values).all():
        raise UserError("values must be finite; found NaN or infinity")
    if bins < 2:
        raise UserError(f"bins must be 2 or more; found {bins}")
    low, high = (values.astype(np.float64) for values in (values.min(0), values.max(0)))
    width = np.where(high > low, high - low, 1)
    factors = np.floor((values - low) / width * bins).astype(np.int64)
    return np.minimum(factors, bins - 1), (bins,) * values.shape[1]
