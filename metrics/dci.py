"""Disentanglement, completeness and informativeness, as disentanglement_lib computes them.

Eastwood & Williams, A Framework for the Quantitative Evaluation of Disentangled Representations,
ICLR 2018, https://openreview.net/forum?id=By-7dz-AZ, section 2; protocol: Locatello et al., 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier

from benchmark.registry import METRICS
from metrics.base import Codes, Integers
from metrics.cores import on_all_cores, seeds

PARTS = ("disentanglement", "completeness", "informativeness")
Matrix = NDArray[np.float64]


@METRICS.register(
    "dci",
    source="Eastwood & Williams, A Framework for the Quantitative Evaluation of Disentangled "
    "Representations, ICLR 2018, https://openreview.net/forum?id=By-7dz-AZ; "
    "protocol of Locatello et al., 2019, https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-1",
    factors=2,
    parts=PARTS,
    by_name=True,
)
def dci(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    train: int = 10_000,
    test: int = 5_000,
    workers: int | None = None,
) -> dict[str, float]:
    """Return how far each code serves one factor and each factor needs one code, in [0, 1].

    One scikit-learn GradientBoostingClassifier as it comes per factor; R (L, K) is how much code
    l matters for factor k, the importance of the feature. Disentanglement is 1 - H_K of a code's
    row, weighted by the row's share of R; completeness 1 - H_L of a factor's column, weighted
    likewise; informativeness is the accuracy on test rows, mean over the factors (the paper's is
    an error). Noise codes get some importance, so noisy codes of single factors stay below 1.

    Rows are drawn with replacement, test rows from the same table: in a small one, trees know
    them. A factor with a single value among the training rows is left out, where the published
    code stops. A single code is complete. For ten codes, about 2.5 s per value of a factor on one
    core (283 s on dSprites), side by side on all; `dci_fast` is an estimate in seconds.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws the rows and seeds each factor's trees.
        train: rows that the trees are fitted on.
        test: rows that they are scored on.
        workers: processes at a time, None: all cores; changes no number.

    Raises:
        ValueError: fewer than two factors vary in the drawn training rows.
    """
    z, columns = draw(codes, factors, rng, train + test, train)
    fits = [
        (GradientBoostingClassifier(random_state=seed), z, column, train)
        for seed, column in zip(seeds(rng, len(columns)), columns, strict=True)
    ]
    return scores(on_all_cores(_fit, fits, workers))


def draw(
    codes: Codes, factors: Integers, rng: np.random.Generator, rows: int, train: int
) -> tuple[Codes, list[Integers]]:
    """Return codes (rows, L) and the factors that vary in the first `train` rows, slowest first."""
    drawn = rng.integers(len(codes), size=rows)
    columns = [column for column in factors[drawn].T if np.ptp(column[:train]) > 0]
    if len(columns) < 2:
        raise ValueError(
            f"dci needs at least 2 factors that vary; the drawn rows have {len(columns)}"
        )
    return codes[drawn], sorted(columns, key=lambda column: -len(np.unique(column)))


def scores(fits: list[tuple[Matrix, float]]) -> dict[str, float]:
    """Return the three parts from every factor's importances (L,) and accuracy."""
    R = np.column_stack([importances for importances, _ in fits])
    informativeness = float(np.mean([accuracy for _, accuracy in fits]))
    return dict(zip(PARTS, (_certainty(R), _certainty(R.T), informativeness), strict=True))


def _certainty(R: Matrix) -> float:
    """Return the mean of 1 - H(row), logarithms to the base of its length, weighted by its sum."""
    if R.shape[1] == 1:
        return 1.0
    weights = R.sum(axis=1) if R.any() else np.ones(len(R))
    certain = 1 - entropy(R + 1e-11, base=R.shape[1], axis=1)
    return max(0.0, float(np.average(certain, weights=weights)))


def _fit(
    trees: GradientBoostingClassifier, z: Codes, column: Integers, train: int
) -> tuple[Matrix, float]:
    trees.fit(z[:train], column[:train])
    return np.abs(trees.feature_importances_), float(trees.score(z[train:], column[train:]))
