"""The beta-VAE metric, as disentanglement_lib computes it.

Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework,
ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, section 3; protocol: Locatello et al., 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, by_group, fitted
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut, drawn_by_side, partners


@METRICS.register(
    "betavae",
    source="Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl; "
    "protocol of Locatello et al., 2019, https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-2",
    factors=2,
)
def betavae(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    pairs: int = 64,
    train: int = 10_000,
    evaluation: int = 5_000,
    held_out: HeldOut = None,
    categorical: Categorical = None,
) -> float:
    """Return how often a linear classifier sees which factor pairs of images share, in [0, 1].

    A point is the mean of |z1 - z2| over `pairs` pairs of rows; within every pair the two rows
    have the same value of one factor, the same factor for the whole point. The classifier names
    that factor: scikit-learn's LogisticRegression as it comes, on unscaled points; the score is
    its accuracy on new points. 1/K: chance. 1: every shared factor leaves a trace of its own,
    which disentangled codes do, and so do many entangled ones (the metric saturates).

    The first row of a pair is any row, the second any row with its value: on a full grid that is
    the published sampling of factors, elsewhere it keeps the table's distribution. A factor with
    a single value is drawn like the others, as published; its pairs share nothing that others do
    not. Raw pixels do not converge within the default 100 iterations: that is the protocol, and
    no warning is shown.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws factors and pairs.
        pairs: in one point.
        train: points that the classifier is fitted on.
        evaluation: points that it is scored on.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: there are fewer than two factors to tell apart.
    """
    from sklearn.linear_model import LogisticRegression

    shared = rng.integers(count(factors), size=train + evaluation)
    codes, _ = one_hot(codes, categorical)
    points = differences(codes, factors, shared, pairs, train, rng, held_out)
    classifier = LogisticRegression(random_state=int(rng.integers(2**31)))
    right = named(classifier, points, shared, train)
    return Detailed(right.mean(), factor=by_group(right, shared[train:], factors.shape[1]))


def count(factors: Integers) -> int:
    """Return the number of factors.

    Raises:
        ValueError: there are fewer than two to tell apart.
    """
    number: int = factors.shape[1]
    if number < 2:
        raise ValueError(f"betavae needs at least 2 factors; the table has {number}")
    return number


def differences(
    codes: Codes,
    factors: Integers,
    shared: Integers,
    pairs: int,
    train: int,
    rng: np.random.Generator,
    held_out: HeldOut = None,
) -> NDArray[np.float64]:
    """Return the points (N, L): the mean of |z1 - z2| over pairs that agree in factor `shared`.

    Args:
        codes, factors: (M, L) and (M, K).
        shared: (N,) the factor of each point.
        pairs: in one point.
        train: how many of the points are of rows that are not `held_out`.
        rng: draws the pairs.
        held_out: (M,) rows of the other points.
    """
    draw = partial(_draw, pairs=pairs, rng=rng)
    first, second = drawn_by_side(draw, factors, shared, train, held_out)
    return mean_distances(codes, first, second)


def _draw(factors: Integers, shared: Integers, pairs: int, rng: np.random.Generator) -> Integers:
    """Return both rows (2, points, pairs) of pairs that agree in factor `shared` (points,)."""
    first = rng.integers(len(factors), size=(len(shared), pairs))
    second = np.empty_like(first)
    for k, column in enumerate(factors.T):
        points = shared == k
        second[points] = partners(column, first[points], rng)
    return np.stack([first, second])


def named(
    classifier: Any, points: NDArray[np.float64], shared: Integers, train: int
) -> NDArray[np.bool_]:
    """Return of which points after the first `train` the classifier, fitted, names the factor."""
    fitted(classifier, points[:train], shared[:train])
    right: NDArray[np.bool_] = classifier.predict(points[train:]) == shared[train:]
    return right


def mean_distances(
    codes: Codes, first: Integers, second: Integers, block: int = 2**20
) -> NDArray[np.float64]:
    """Return the mean of |z1 - z2| (points, L) over the pairs, `block` numbers at a time."""
    total: NDArray[np.float64] = np.zeros((len(first), codes.shape[1]))
    step = max(1, block // codes.shape[1])
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        for one, other in zip(first[part].T, second[part].T, strict=True):
            z1, z2 = codes[one], codes[other]
            # Unsigned integers wrap around below zero; larger minus smaller does not.
            total[part] += np.maximum(z1, z2) - np.minimum(z1, z2)
    total /= first.shape[1]
    return total
