"""Mutual information gap, as disentanglement_lib computes it.

Chen, Li, Grosse & Duvenaud, Isolating Sources of Disentanglement in Variational Autoencoders,
2018, https://arxiv.org/abs/1802.04942, equation 6; protocol: Locatello et al., Challenging Common
Assumptions in the Unsupervised Learning of Disentangled Representations, 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib.
"""

import numpy as np

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, gaps, placed
from metrics.discretise import discretise, entropy, mutual_information


@METRICS.register(
    "mig",
    source="Chen et al., Isolating Sources of Disentanglement in VAEs, 2018, "
    "https://arxiv.org/abs/1802.04942; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-1",
    factors=1,
)
def mig(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    samples: int = 10_000,
    bins: int = 20,
) -> float:
    """Return how much more the best code tells of a factor than the second best, in [0, 1].

    Per factor, the gap between the two largest mutual informations divided by the factor's
    entropy; then the mean over the factors. Rows are drawn with replacement. 0: no factor has a
    code that tells more of it than another code does. 1: every factor is known from one code and
    from no other. A factor with more than `bins` values cannot reach 1, so neither can the true
    factors (0.896 on dSprites).

    Not the estimator of the paper, which takes samples of the codes, log K for the entropy and
    four of dSprites' factors: the two are not comparable. Factors with a single value among the
    drawn rows are left out, where disentanglement_lib divides by zero. With a single code the
    second best is 0.

    Args:
        codes: (M, L).
        factors: (M, K), not binned.
        rng: draws the rows.
        samples: how many rows are drawn.
        bins: of equal width, over each code's own range in the drawn rows.

    Raises:
        ValueError: every factor has a single value in the drawn rows.
    """
    rows = rng.integers(len(codes), size=samples)
    uncertainty = entropy(factors[rows])
    varied = uncertainty > 0
    if not varied.any():
        raise ValueError("every factor has a single value in the drawn rows: mig is not defined")
    information = mutual_information(discretise(codes[rows], bins), factors[rows][:, varied])
    shares = gaps(information) / uncertainty[varied]
    # A perfect code's information may exceed the entropy by the last bit of a float.
    return Detailed(min(1.0, shares.mean()), factor=placed(shares, varied))
