"""Modularity, as disentanglement_lib computes it.

Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, NeurIPS 2018,
https://arxiv.org/abs/1802.05312, section 3; protocol: Locatello et al., 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib,
evaluation/metrics/modularity_explicitness.py.
"""

import numpy as np

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers
from metrics.discretise import discretise, entropy, mutual_information


@METRICS.register(
    "modularity",
    source="Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, "
    "NeurIPS 2018, https://arxiv.org/abs/1802.05312; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-1",
    factors=2,
)
def modularity(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    samples: int = 10_000,
    bins: int = 20,
) -> float:
    """Return how nearly each code tells of one factor only, in [0, 1].

    Per code, 1 - (sum - max) / (max (K - 1)) of its squared mutual information with the K factors;
    then the mean over the codes. 1: no code tells of two factors; it may tell little, and a factor
    may have many codes or none. 0: every code tells equally of all. A code that tells nothing
    counts 0 if its information is exactly 0, as when it is constant; but noise seems to tell a
    little of the factor with most values, so random codes are far from 0 (0.684 on dSprites).

    Factors with a single value among the drawn rows are left out, where disentanglement_lib counts
    them in K: no code can tell of them, and each would bring the score nearer to 1.

    Args:
        codes: (M, L).
        factors: (M, K), not binned.
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
        bins: of equal width, over each code's own range in the drawn rows.

    Raises:
        ValueError: fewer than two factors have two values or more in the drawn rows.
    """
    rows = rng.integers(len(codes), size=samples)
    table = factors[rows]
    table = table[:, entropy(table) > 0]
    if table.shape[1] < 2:
        raise ValueError(
            "modularity needs at least 2 factors with several values; "
            f"the drawn rows have {table.shape[1]}"
        )
    information = mutual_information(discretise(codes[rows], bins), table)
    # The information of a constant is 0 but for the last bit of a float; the least that N rows
    # can give is near 1/N.
    tells = information.max(axis=1) > 1e-12
    squares = information**2
    most = squares.max(axis=1)
    spread = (squares.sum(axis=1) - most)[tells] / (most[tells] * (table.shape[1] - 1))
    alone = np.zeros(len(squares))
    alone[tells] = 1 - spread
    # Of equal parts, the sum may exceed its terms by the last bit of a float.
    return Detailed(max(0.0, float(np.sum(1 - spread)) / len(squares)), code=alone)
