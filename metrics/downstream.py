"""How well a linear classifier reads the factors from the codes, and from how few rows.

Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations, 2019, https://arxiv.org/abs/1811.12359, section 5.5; code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/downstream_task.py.
"""

from collections.abc import Mapping

import numpy as np

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, fitted, placed
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut, drawn
from metrics.parallel import on_all_cores

SIZES = (10, 100, 1000, 10_000)
EFFICIENCY = "efficiency"


@METRICS.register(
    "downstream",
    source="Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of "
    "Disentangled Representations, 2019, https://arxiv.org/abs/1811.12359, code "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-2",
    factors=1,
    parts=(*map(str, SIZES), EFFICIENCY),
    by_name=True,
)
def downstream(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    sizes: tuple[int, ...] = SIZES,
    test: int = 5000,
    held_out: HeldOut = None,
    categorical: Categorical = None,
    workers: int | None = None,
) -> Mapping[str, float]:
    """Return the accuracy after 10, 100, 1,000 and 10,000 training rows, and the sample efficiency.

    Accuracy: scikit-learn's LogisticRegressionCV (ten penalties, five folds, unscaled codes) per
    factor, its share of right answers on test rows, mean over the factors, in [0, 1]. Efficiency:
    accuracy at 100 rows divided by that at 10,000, at most 1. Chance is the mean over the factors
    of 1 / values on a full grid, where a code that knows nothing has an efficiency near 1: read it
    beside the accuracies.

    Rows are drawn with replacement, anew for every size. A factor with a single value in the table
    is left out; one with a single value among the training rows is predicted as that value, where
    the published code stops.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws the rows.
        sizes: numbers of training rows; efficiency compares the second with the last.
        test: rows that each classifier is scored on.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.
        workers: processes at a time, None: all cores; changes no number.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: no factor varies.
    """
    varied = np.ptp(factors, axis=0) > 0
    columns = list(factors[:, varied].T)
    if not columns:
        raise ValueError("downstream needs a factor that varies; every one has a single value")
    fits = []
    for size in reversed(sizes):
        rows = drawn(len(codes), size, test, rng, held_out)
        z, _ = one_hot(codes[rows], categorical)
        fits += [(z, column[rows], size) for column in columns]
    right = np.reshape(on_all_cores(_accuracy, fits, workers), (len(sizes), len(columns)))[::-1]
    accuracy = [Detailed(row.mean(), factor=placed(row, varied)) for row in right]
    scores = dict(zip(map(str, sizes), accuracy, strict=True))
    few, many = accuracy[1], accuracy[-1]
    return scores | {EFFICIENCY: min(1.0, few / many) if many > 0 else 0.0}


def _accuracy(z: Codes, column: Integers, size: int) -> float:
    """Return the accuracy, on the other rows, of a classifier fitted on the first `size`."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import KFold

    if np.ptp(column[:size]) == 0:
        return float(np.mean(column[size:] == column[0]))
    model = LogisticRegressionCV(Cs=10, cv=KFold(5), scoring="accuracy")
    return float(fitted(model, z[:size], column[:size]).score(z[size:], column[size:]))
