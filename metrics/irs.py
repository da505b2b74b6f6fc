"""Interventional robustness score, as disentanglement_lib computes it.

Suter, Miladinovic, Schoelkopf & Bauer, Robustly Disentangled Causal Mechanisms: Validating Deep
Representations for Interventional Robustness, ICML 2019, https://arxiv.org/abs/1811.00007;
protocol: Locatello et al., 2019, https://arxiv.org/abs/1811.12359, code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/irs.py.
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, placed
from metrics.categories import Categorical, one_hot
from metrics.discretise import discretise


@METRICS.register(
    "irs",
    source="Suter et al., Robustly Disentangled Causal Mechanisms, ICML 2019, "
    "https://arxiv.org/abs/1811.00007; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(-1.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-2",
    factors=1,
    by_name=True,
)
def irs(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    samples: int = 10_000,
    bins: int = 20,
    quantile: float = 0.99,
    categorical: Categorical = None,
) -> float:
    """Return how little codes move while one factor is fixed, whatever the others do, in [-1, 1].

    Per code and factor, the `quantile` of |z - mean z| among the rows of one value, averaged over
    the values, and divided by the largest |z - mean z| of all rows. A code's robustness is 1 minus
    the smallest of these over the factors; the score is the mean over the codes that vary, each
    weighted by its largest |z - mean z|, so that it depends on the codes' relative scales. 1:
    every code is fixed as soon as one factor is. Random codes are above 0, long-tailed ones well
    above it; below 0 only if rare values of a code lie off the mean of a value more than off the
    mean of all. 0 if no code varies. A categorical code deviates by the length of the difference of
    one-hot vectors.

    The paper takes the largest deviation where the protocol takes a quantile of it. A code that
    varies is one with two values, where disentanglement_lib asks for a variance above 0, which a
    constant may have through rounding.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
        bins: of equal width, over each factor's range in the drawn rows; values in one bin are one.
        quantile: of the deviations of one value, in [0, 1].
        categorical: (L,) True for codes that are numbers of categories.
    """
    rows = rng.integers(len(codes), size=samples)
    z, binned = codes[rows], discretise(factors[rows], bins)
    varied = z.min(axis=0) < z.max(axis=0)
    if not varied.any():
        return Detailed(0.0, code=placed([], varied))
    z, starts = one_hot(z[:, varied], None if categorical is None else categorical[varied])
    largest = _distances(z, starts).max(axis=0)
    moved = [_deviation(z, starts, g, quantile) for g in binned.T]
    robust = 1 - np.min(moved, axis=0) / largest
    return Detailed(np.average(robust, weights=largest), code=placed(robust, varied))


def _distances(z: Codes, starts: Integers) -> NDArray[np.float64]:
    """Return |z - mean z| (N, L) of codes whose first columns of z (N, L') are `starts`."""
    distances: NDArray[np.float64] = np.abs(z - z.mean(axis=0, dtype=np.float64))
    alone = len(starts) == z.shape[1]
    return distances if alone else np.hypot.reduceat(distances, starts, axis=1)


def _deviation(
    z: Codes, starts: Integers, g: NDArray[np.integer], quantile: float
) -> NDArray[np.float64]:
    """Return the quantile of |z - mean z| (L,) within a value of g (N,), mean over the values."""
    deviations = (_distances(z[g == value], starts) for value in np.unique(g))
    average: NDArray[np.float64] = np.mean(
        [np.quantile(d, quantile, axis=0) for d in deviations], axis=0
    )
    return average
