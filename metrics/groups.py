"""Rows of a table that agree in one factor; the table need not be a grid."""

import numpy as np

from metrics.base import Integers


def partners(
    column: Integers, rows: Integers, rng: np.random.Generator, size: tuple[int, ...] | None = None
) -> Integers:
    """Return random rows with the same value in one factor as `rows`, drawn with replacement.

    Args:
        column: (M,) the factor that they share.
        rows: any shape.
        rng: draws uniformly among the rows of a value, the given row included.
        size: of the result, one that the shape of `rows` broadcasts to: (N, 64) gives 64
            partners each to rows (N, 1). The shape of `rows` where it is None.
    """
    # Sorting small unsigned integers is a radix sort: ten times faster than sorting int64.
    values = column - column.min()
    values = values.astype(np.min_scalar_type(values.max()))
    order = np.argsort(values, kind="stable")
    start, stop = (np.searchsorted(values[order], values[rows], side) for side in ("left", "right"))
    drawn: Integers = order[rng.integers(start, stop, size=size)]
    return drawn
