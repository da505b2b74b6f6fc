"""Rows of a table that a metric draws; the table need not be a grid."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metrics.base import Integers

HeldOut = NDArray[np.bool_] | None


def drawn(n: int, train: int, test: int, rng: np.random.Generator, held_out: HeldOut) -> Integers:
    """Return rows (train + test,) of n, drawn with replacement, the training rows first.

    Args:
        n: how many rows the table has.
        train, test: how many are drawn.
        rng: draws them.
        held_out: (n,) True for the rows that test rows are drawn from, False for those of training
            rows; None: both are drawn from all rows.
    """
    if held_out is None:
        return rng.integers(n, size=train + test)
    sides = (np.flatnonzero(~held_out), train), (np.flatnonzero(held_out), test)
    return np.concatenate([rows[rng.integers(len(rows), size=size)] for rows, size in sides])


def drawn_by_side(
    draw: Callable[[Integers, Integers], Integers],
    factors: Integers,
    chosen: Integers,
    train: int,
    held_out: HeldOut,
) -> Integers:
    """Return the rows (..., N, n) of N groups, of which the first `train` are for training.

    Args:
        draw: returns rows (..., G, n) of a table of factors (M, K) for a factor each (G,).
        factors: (M, K).
        chosen: (N,) the factor of each group.
        train: how many groups are for training.
        held_out: as in `drawn`.
    """
    if held_out is None:
        return draw(factors, chosen)
    sides = (np.flatnonzero(~held_out), chosen[:train]), (np.flatnonzero(held_out), chosen[train:])
    return np.concatenate([rows[draw(factors[rows], part)] for rows, part in sides], axis=-2)


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
