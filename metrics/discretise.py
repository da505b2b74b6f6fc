"""Codes in bins, and the mutual information between binned codes and factors.

Follows disentanglement_lib's histogram discretiser (Locatello et al., 2019,
https://github.com/google-research/disentanglement_lib, evaluation/metrics/utils.py).
"""

import numpy as np
from numpy.typing import NDArray

from metrics.base import Codes, Integers


def discretise(codes: Codes, bins: int) -> NDArray[np.int16]:
    """Return the bin (N, L), 0..bins-1, of every code: equal widths over each code's own min..max.

    A code that never changes falls into one bin.
    """
    binned = np.empty(codes.shape, dtype=np.int16, order="F")
    for column, out in zip(np.asfortranarray(codes).T, binned.T, strict=True):
        out[:] = np.digitize(column, _edges(column, bins)[:-1]) - 1
    return binned


def mutual_information(binned: NDArray[np.integer], factors: Integers) -> NDArray[np.float64]:
    """Return I(code; factor) (L, K) in nats, counted in binned codes (N, L) and factors (N, K).

    The plug-in estimate: biased upwards by about (bins-1)(values-1)/2N for independent variables.
    """
    columns = [np.unique(factor, return_inverse=True)[1] for factor in factors.T]
    return np.array([[_information(code, factor) for factor in columns] for code in binned.T])


def entropy(factors: Integers) -> NDArray[np.float64]:
    """Return H(factor) (K,) in nats, from the counts of factors (N, K); 0 for a single value."""
    from scipy.stats import entropy as entropy_of_counts

    counts = [np.unique(factor, return_counts=True)[1] for factor in factors.T]
    return np.array([float(entropy_of_counts(count)) for count in counts])


def _edges(column: Codes, bins: int) -> NDArray[np.floating]:
    # np.histogram's edges, but float32 codes that hardly move must not raise "Too many bins".
    low, high = column.min(), column.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    kind = column.dtype if column.dtype.kind == "f" else np.float64
    return np.linspace(low, high, bins + 1, dtype=kind)


def _information(code: NDArray[np.integer], factor: NDArray[np.integer]) -> float:
    from scipy.special import xlogy

    shape = int(code.max()) + 1, int(factor.max()) + 1
    cells = code.astype(np.int64) * shape[1] + factor
    table = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    both, one, other = (xlogy(n, n).sum() for n in (table, table.sum(0), table.sum(1)))
    return max(0.0, float(both - one - other) / len(code) + float(np.log(len(code))))
