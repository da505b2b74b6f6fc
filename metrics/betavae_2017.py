"""The beta-VAE metric with a linear classifier that has no penalty, as its paper describes it.

Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework,
ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, section 3.
"""

import numpy as np

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, by_group
from metrics.betavae import count, differences, named
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut


@METRICS.register(
    "betavae_2017",
    source="Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="higgins2017-2",
    factors=2,
    by_name=True,
)
def betavae_2017(
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

    The points are those of `betavae`. There, the classifier pays for large weights, and needs them
    where codes are small: codes a thousand times smaller are at chance. Here nothing is paid, so
    the score does not depend on the scale of codes. The points are standardised, by those that the
    classifier is fitted on, so that the fit converges; the best linear classifier stays the same.

    The paper leaves the number of pairs, points and steps open; these are disentanglement_lib's.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws factors and pairs.
        pairs: in one point.
        train: points that the classifier is fitted on.
        evaluation: points that it is scored on.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: there are fewer than two factors to tell apart.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shared = rng.integers(count(factors), size=train + evaluation)
    codes, _ = one_hot(codes, categorical)
    points = differences(codes, factors, shared, pairs, train, rng, held_out)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=1000))
    right = named(classifier, points, shared, train)
    return Detailed(right.mean(), factor=by_group(right, shared[train:], factors.shape[1]))
