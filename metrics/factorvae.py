"""The FactorVAE metric, as disentanglement_lib computes it.

Kim & Mnih, Disentangling by Factorising, ICML 2018, https://arxiv.org/abs/1802.05983, section 4;
protocol: Locatello et al., 2019, https://arxiv.org/abs/1811.12359, code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/factor_vae.py.

The value that a batch shares is that of a random row, its rows are any with that value: on a full
grid that is the published sampling of factors, elsewhere it keeps the table's distribution. A
factor with a single value is drawn like the others, as published.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, by_group
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut, drawn_by_side, partners


@METRICS.register(
    "factorvae",
    source="Kim & Mnih, Disentangling by Factorising, ICML 2018, https://arxiv.org/abs/1802.05983; "
    "protocol of Locatello et al., 2019, https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-2",
    factors=2,
)
def factorvae(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    batch: int = 64,
    train: int = 10_000,
    evaluation: int = 5_000,
    variance: int = 10_000,
    threshold: float = 0.05,
    held_out: HeldOut = None,
    categorical: Categorical = None,
) -> float:
    """Return how often the code that varies least tells which factor is fixed, in [0, 1].

    A vote is a batch of rows with the same value of one factor: it names the factor and the code
    whose variance within the batch is the smallest part of its variance over all rows. A code
    stands for the factor that it got most training votes for, the first of equals and factor 0 if
    it got none; the score is the share of new votes that this names rightly. 1/K: chance. 1: every
    factor has a code, or several, that it alone moves. Codes of standard deviation below
    `threshold` get no vote: the score depends on the scale of the codes, and is 0 without any vote.
    The variance of a categorical code is that of its one-hot vector: in proportion to how often two
    rows differ, Gini's variance, which the paper takes for discrete codes (unverified).

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws factors and rows.
        batch: rows in one vote, at least 2.
        train, evaluation: votes that say which factor a code stands for, and that are scored.
        variance: rows, drawn with replacement, that the variances over all rows are taken from.
        threshold: the smallest standard deviation of a code in use, in the unit of the code.
        held_out: (M,) True for the rows that are scored, False for those that are trained on; None:
            both are drawn from all rows, as published.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: there are fewer than two factors to tell apart.
    """
    K, L = factors.shape[1], codes.shape[1]
    if K < 2:
        raise ValueError(f"factorvae needs at least 2 factors; the table has {K}")
    codes, starts = one_hot(codes, categorical)
    scale = _scale(codes[rng.integers(len(codes), size=variance)], starts, threshold)
    if np.isnan(scale).all():
        return Detailed(0.0, factor=np.zeros(K))
    fixed = rng.integers(K, size=train + evaluation)
    draw = partial(_draw, batch=batch, rng=rng)
    rows = drawn_by_side(draw, factors, fixed, train, held_out)
    still = _least(codes, rows, starts, scale)
    votes = np.bincount(fixed[:train] * L + still[:train], minlength=K * L).reshape(K, L)
    right = votes.argmax(0)[still[train:]] == fixed[train:]
    return Detailed(right.mean(), factor=by_group(right, fixed[train:], K))


def _variance(codes: Codes, starts: Integers) -> NDArray[np.floating]:
    """Return the variance (..., L) of each code over the rows of codes (..., rows, L')."""
    columns: NDArray[np.floating] = np.var(codes, axis=-2, ddof=1)
    return np.add.reduceat(columns, starts, axis=-1)


def _scale(codes: Codes, starts: Integers, threshold: float) -> NDArray[np.floating]:
    """Return the variance (L,) of each code over the rows, NaN where it is collapsed."""
    scale = _variance(codes, starts)
    return np.where(np.sqrt(scale) >= threshold, scale, np.nan)


def _draw(factors: Integers, fixed: Integers, batch: int, rng: np.random.Generator) -> Integers:
    """Return the rows (votes, batch) of every vote; they agree in factor `fixed` (votes,)."""
    rows = np.empty((len(fixed), batch), dtype=np.int64)
    for k, column in enumerate(factors.T):
        votes = np.flatnonzero(fixed == k)
        first = rng.integers(len(factors), size=(len(votes), 1))
        rows[votes] = partners(column, first, rng, (len(votes), batch))
    return rows


def _least(
    codes: Codes,
    rows: Integers,
    starts: Integers,
    scale: NDArray[np.floating],
    block: int = 2**20,
) -> Integers:
    """Return the code (votes,) whose variance in a batch is the smallest part of its `scale` (L,).

    A code whose scale is NaN is none; `starts` (L,) are the first columns of the codes. `block`
    numbers are gathered at a time.
    """
    still = np.empty(len(rows), dtype=np.int64)
    step = max(1, block // (rows.shape[1] * codes.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        still[part] = np.nanargmin(_variance(codes[rows[part]], starts) / scale, axis=1)
    return still
