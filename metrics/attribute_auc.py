"""How well a linear classifier reads binary attributes from the codes of unseen images.

The measure is the explicitness of Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the
F-Statistic Loss, NeurIPS 2018, https://arxiv.org/abs/1802.05312, section 2, for binary factors.
Rows, split and the choice of factors are ours, for labelled sets such as CelebA (Liu et al., 2015,
https://arxiv.org/abs/1411.7766).
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, fitted, placed
from metrics.categories import Categorical, one_hot


@METRICS.register(
    "attribute_auc",
    source="explicitness of Ridgeway & Mozer, Learning Deep Disentangled Embeddings with the "
    "F-Statistic Loss, 2018, https://arxiv.org/abs/1802.05312; binary attributes and held-out rows "
    "are ours",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="held-out-2",
    factors=1,
    by_name=True,
)
def attribute_auc(
    codes: Codes,
    factors: Integers,
    held_out: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    train: int = 10_000,
    test: int = 20_000,
    categorical: Categorical = None,
) -> float:
    """Return the area under the ROC curve, mean over the binary attributes, in [0, 1]; 0.5: chance.

    Per attribute, scikit-learn's LogisticRegression as it comes on codes standardised over the
    training rows; the area is that of its decision on the held-out rows, which no share of the
    two values moves. Factors with more than two values are left out, and so are attributes with a
    single value in the drawn rows of either side.

    Args:
        codes: (M, L).
        factors: (M, K).
        held_out: (M,) True for the rows scored, False for the rows the classifiers are fitted on.
        rng: draws the rows, without replacement.
        train: rows that are fitted on, all if there are fewer.
        test: rows that are scored, all if there are fewer.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: no row or every row is held out, or no attribute is left.
    """
    sides = zip((~held_out, held_out), (train, test), strict=True)
    fitted, scored = (_draw(side, rows, rng) for side, rows in sides)
    attributes = np.array(
        [
            _binary(column) and all(np.ptp(column[side]) > 0 for side in (fitted, scored))
            for column in factors.T
        ]
    )
    if not attributes.any():
        raise ValueError(
            "attribute_auc needs a factor with two values, both among the training rows and both "
            f"among the held-out rows; none of {factors.shape[1]} has them"
        )
    codes, _ = one_hot(codes, categorical)
    z = codes[fitted], codes[scored]
    columns = factors[:, attributes].T
    areas = np.array([_area(*z, column[fitted], column[scored]) for column in columns])
    return Detailed(areas.mean(), factor=placed(areas, attributes))


def _draw(side: NDArray[np.bool_], rows: int, rng: np.random.Generator) -> Integers:
    indices = np.flatnonzero(side)
    if len(indices) == 0:
        raise ValueError("attribute_auc needs training rows and held-out rows; one side is empty")
    return rng.choice(indices, min(rows, len(indices)), replace=False)


def _binary(column: Integers) -> bool:
    low, high = column.min(), column.max()
    return bool(low < high and ((column == low) | (column == high)).all())


def _area(z: Codes, unseen: Codes, values: Integers, truth: Integers) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = fitted(make_pipeline(StandardScaler(), LogisticRegression()), z, values)
    return float(roc_auc_score(truth, model.decision_function(unseen)))
