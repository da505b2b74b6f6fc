"""Explicitness, as disentanglement_lib computes it.

Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, NeurIPS 2018,
https://arxiv.org/abs/1802.05312, section 3; protocol: Locatello et al., 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib,
evaluation/metrics/modularity_explicitness.py.
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, fitted
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut, drawn


@METRICS.register(
    "explicitness",
    source="Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, "
    "NeurIPS 2018, https://arxiv.org/abs/1802.05312; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-3",
    factors=1,
    by_name=True,
)
def explicitness(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    train: int = 10_000,
    test: int = 5_000,
    held_out: HeldOut = None,
    categorical: Categorical = None,
) -> float:
    """Return how well a linear classifier ranks the values of the factors, in [0, 1].

    Per factor, scikit-learn's LogisticRegression as it comes on all codes, standardised; per value,
    the area under the ROC curve of its probability on new rows; then the mean over the values and
    over the factors. 0.5: chance. 1: every value can be told from all others. It asks what the
    codes tell together: rotated codes lose nothing.

    As it comes means one model for all values. The scikit-learn of the study (before 0.22) fitted
    one value against the rest, which scores less: 0.94 for 0.99 for dSprites' true factors. The
    area of a value counts where training and test rows have it and the test rows have another
    value too; disentanglement_lib fails if one is missing. Factors with a single value among the
    training rows are left out; constant codes are zeros, where it divides by zero.

    Args:
        codes: (M, L).
        factors: (M, K), values without order.
        rng: draws the rows, with replacement.
        train: rows that the regressions are fitted on.
        test: rows that they are scored on.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: no factor has two values in the drawn rows.
    """
    rows = drawn(len(codes), train, test, rng, held_out)
    z, _ = one_hot(codes[rows], categorical)
    x, table = _standardise(z, train), factors[rows]
    areas = np.array([_explicitness(x, v, train) for v in table.T])
    if np.isnan(areas).all():
        raise ValueError("every factor has a single value in the drawn rows: no explicitness")
    return Detailed(np.nanmean(areas), factor=areas)


def _standardise(codes: Codes, train: int) -> NDArray[np.float64]:
    """Return codes (N, L) with mean 0 and standard deviation 1 in the first `train` rows."""
    x: NDArray[np.float64] = codes.astype(np.float64)
    still = x[:train].min(axis=0) == x[:train].max(axis=0)
    deviation = np.where(still, np.inf, x[:train].std(axis=0))
    x -= x[:train].mean(axis=0)
    x /= deviation
    return x


def _explicitness(x: NDArray[np.float64], v: Integers, train: int) -> float:
    """Return the mean area under the curves of a factor v (N,); NaN where there is none."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    values = np.unique(v[:train])
    if len(values) < 2:
        return np.nan
    probability = fitted(LogisticRegression(), x[:train], v[:train]).predict_proba(x[train:])
    positive = v[train:, None] == values
    both = positive.any(axis=0) & ~positive.all(axis=0)
    areas = [roc_auc_score(positive[:, c], probability[:, c]) for c in np.flatnonzero(both)]
    return float(np.mean(areas)) if areas else np.nan
