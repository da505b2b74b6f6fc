"""Statistics over seeds: how sure a mean is, and which means differ."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]
Samples = Sequence[Sequence[float] | NDArray[Any]] | NDArray[np.floating]

FEWEST = 3
"""Values below which no interval is given: it would promise more than the data support."""
RESAMPLES = 9_999
EXACT = 13
"""Pairs up to which a test takes every change of signs: no more of them than resamples."""
_BLOCK = 256


def interval(
    values: Sequence[float], *, level: float = 0.95, rng: np.random.Generator | None = None
) -> tuple[float, float] | None:
    """Return the bootstrap interval of the mean, or None for fewer than three values.

    See `intervals`. Values that are not finite have no interval either.
    """
    low, high = intervals([values], level=level, rng=rng)[0]
    return (float(low), float(high)) if np.isfinite([low, high]).all() else None


def intervals(
    samples: Samples, *, level: float = 0.95, rng: np.random.Generator | None = None
) -> Matrix:
    """Return the bootstrap intervals (S, 2) of the means of S samples.

    They are SciPy's BCa intervals at a level at which n normal values would be covered as stated:
    bootstrap intervals of few values are too short, at n = 5 by a factor of 1.6. None goes beyond
    the values themselves, so of 3, 4 or 5 values none covers a median more often than 75, 87.5 and
    93.75 % of the times. Equal values give an interval without width, which only means
    that they are equal. Fewer than three values, and values that are not finite, give NaN.

    Args:
        samples: S sequences of numbers; those of one size share their resamples.
        level: how often an interval is to contain the mean.
        rng: draws the resamples; None: the same for each size in every call.

    References:
        Efron, Better bootstrap confidence intervals, 1987, https://doi.org/10.2307/2289144
        Hesterberg, What teachers should know about the bootstrap, 2015, section 4.3 (the level),
        https://doi.org/10.1080/00031305.2015.1089789
    """
    found = np.full((len(samples), 2), np.nan)
    for places, values in _by_size(samples):
        n = values.shape[1]
        if n < FEWEST:
            continue
        # Sorted: the resamples must not depend on the order in which folders were read.
        values.sort(axis=1)
        equal = np.ptp(values, axis=1) == 0
        found[places[equal]] = values[equal, :2]
        varied = np.flatnonzero(np.isfinite(values).all(axis=1) & ~equal)
        drawn = _counts(n, rng or np.random.default_rng(0))
        for start in range(0, len(varied), _BLOCK):
            block = varied[start : start + _BLOCK]
            found[places[block]] = _bca(values[block], drawn, _widened(level, n))
    return found


def _by_size(samples: Samples) -> Iterator[tuple[NDArray[np.intp], Matrix]]:
    """Yield the places of the samples of each size, and their values (S, n)."""
    sizes = np.array([len(values) for values in samples], int)
    for n in np.unique(sizes):
        places = np.flatnonzero(sizes == n)
        yield places, np.array([samples[place] for place in places.tolist()], np.float64)


def _counts(n: int, rng: np.random.Generator) -> Matrix:
    """Return how often each of n values is in each resample, (RESAMPLES, n)."""
    drawn = rng.integers(0, n, (RESAMPLES, n))
    counts: Matrix = (drawn[:, :, None] == np.arange(n)).sum(axis=1).astype(np.float64)
    return counts


def _bca(values: Matrix, drawn: Matrix, level: float) -> Matrix:
    """Return SciPy's intervals (S, 2) of the means; their resamples' come by one product."""
    from scipy.stats import bootstrap  # half a second, which commands without intervals do without

    mean = values.mean(axis=1, keepdims=True)
    means = values @ drawn.T / values.shape[1]
    # Resamples whose mean is the sample's count half for the bias: rounding must not part them.
    tied = np.abs(means - mean) < 1e-12 * np.ptp(values, axis=1, keepdims=True)
    known: Any = SimpleNamespace(bootstrap_distribution=np.where(tied, mean, means))
    found = bootstrap(
        (values,),
        np.mean,
        axis=-1,
        confidence_level=level,
        n_resamples=0,
        bootstrap_result=known,
    ).confidence_interval
    bounds = np.stack([found.low, found.high], axis=1)
    return np.clip(bounds, values[:, :1], values[:, -1:])  # which only rounding goes beyond


def _widened(level: float, n: int) -> float:
    """Return the level at which a bootstrap interval is as wide as Student's (Hesterberg)."""
    from scipy.stats import norm, t

    z = np.sqrt(n / (n - 1)) * t.ppf((1 + level) / 2, n - 1)
    return float(1 - 2 * norm.sf(z))


def paired_test(differences: Samples, *, rng: np.random.Generator | None = None) -> Matrix:
    """Return two-sided p-values (C,) of C comparisons of pairs.

    A permutation test: if two methods were alike, a pair's difference could as well have the other
    sign, so p is the share of all changes of signs whose mean is as far from 0 as the one observed.
    Nothing is assumed of how scores are distributed. The test is exact; beyond 13 pairs, drawn
    changes stand for all. With n pairs p is never below `smallest_p(n)`.

    Args:
        differences: C sequences of finite numbers.
        rng: draws the changes of signs; None: the same for each number of pairs in every call.

    References:
        Fisher, The Design of Experiments, 1935, section 21
        Phipson and Smyth, Permutation p-values should never be zero, 2010,
        https://doi.org/10.2202/1544-6115.1585 (drawn changes count the observed one, too)
    """
    p = np.full(len(differences), np.nan)
    for places, pairs in _by_size(differences):
        sums = np.abs(pairs @ _signs(pairs.shape[1], rng or np.random.default_rng(0)).T)
        observed = np.abs(pairs.sum(axis=1, keepdims=True))
        # Sums of the same numbers in another order are equal, whatever rounding does.
        as_far = sums >= observed - 1e-12 * np.abs(pairs).sum(axis=1, keepdims=True)
        p[places] = as_far.mean(axis=1)
    return p


def _signs(n: int, rng: np.random.Generator) -> Matrix:
    """Return changes of signs (C, n) of 1 and -1: all of them, or `RESAMPLES` and the identity."""
    if n <= EXACT:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        bits = np.vstack([np.zeros((1, n), int), rng.integers(0, 2, (RESAMPLES, n))])
    signs: Matrix = 1.0 - 2.0 * bits.astype(np.float64)
    return signs


def smallest_p(n: int) -> float:
    """Return the smallest p-value that `paired_test` gives of n pairs: 0.25 of 3, 0.0625 of 5."""
    return 2.0 ** (1 - n) if n <= EXACT else 1 / (RESAMPLES + 1)


def pairs_needed(comparisons: int, *, alpha: float = 0.05) -> int:
    """Return with how many pairs `paired_test` can find any difference, corrected by `holm`."""
    return next(n for n in range(1, 99) if smallest_p(n) * comparisons <= alpha or n > EXACT)


def holm(p: ArrayLike) -> Matrix:
    """Return the p-values of one family, adjusted so that any false rejection has its level.

    References:
        Holm, A simple sequentially rejective multiple test procedure, 1979,
        https://www.jstor.org/stable/4615733
    """
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    capped: Matrix = np.minimum(adjusted, 1.0)
    return capped
