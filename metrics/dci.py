"""Disentanglement, completeness and informativeness, as disentanglement_lib computes them.

Eastwood & Williams, A Framework for the Quantitative Evaluation of Disentangled Representations,
ICLR 2018, https://openreview.net/forum?id=By-7dz-AZ, section 2; protocol: Locatello et al., 2019,
https://arxiv.org/abs/1811.12359, code https://github.com/google-research/disentanglement_lib.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, placed
from metrics.draws import HeldOut, drawn
from metrics.parallel import on_all_cores, seeds

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
    held_out: HeldOut = None,
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
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.
        workers: processes at a time, None: all cores; changes no number.

    Raises:
        ValueError: fewer than two factors vary in the drawn training rows.
    """
    rows = drawn(len(codes), train, test, rng, held_out)
    return of_trees(partial(_fit, train=train), codes[rows], factors[rows], train, rng, workers)


def of_trees(
    fit: Callable[[Codes, Integers, int], tuple[Matrix, float]],
    z: Codes,
    factors: Integers,
    train: int,
    rng: np.random.Generator,
    workers: int | None,
) -> dict[str, float]:
    """Return the three parts, from trees that `fit` grows for each factor.

    Args:
        fit: returns the importances (L,) and the accuracy, given the codes, a factor and a seed.
        z: (R, L) codes of the drawn rows.
        factors: (R, K) of the drawn rows.
        train: a factor that has a single value in the first so many rows is left out.
        rng: seeds each factor's trees.
        workers: processes at a time.
    """
    columns = {k: c for k, c in enumerate(factors.T) if np.ptp(c[:train]) > 0}
    if len(columns) < 2:
        raise ValueError(
            f"dci needs at least 2 factors that vary; the drawn rows have {len(columns)}"
        )
    # Those of most values, which take longest, come first.
    order = sorted(columns, key=lambda k: -len(np.unique(columns[k])))
    fits = [(z, columns[k], seed) for k, seed in zip(order, seeds(rng, len(order)), strict=True)]
    found = dict(zip(order, on_all_cores(fit, fits, workers), strict=True))
    return scores(found, factors.shape[1])


def scores(fits: Mapping[int, tuple[Matrix, float]], factors: int) -> dict[str, float]:
    """Return the three parts from the importances (L,) and the accuracy of factors by number."""
    numbers = sorted(fits)
    varied = np.isin(np.arange(factors), numbers)
    R = np.column_stack([fits[k][0] for k in numbers])
    accuracy = np.array([fits[k][1] for k in numbers])
    D, C = _certainty(R), _certainty(R.T)
    parts = (
        Detailed(D[0], code=D[1]),
        Detailed(C[0], factor=placed(C[1], varied)),
        Detailed(accuracy.mean(), factor=placed(accuracy, varied)),
    )
    return dict(zip(PARTS, parts, strict=True))


def _certainty(R: Matrix) -> tuple[float, Matrix]:
    """Return 1 - H(row), logarithms to the base of its length: the mean by weight, and each."""
    from scipy.stats import entropy

    if R.shape[1] == 1:
        return 1.0, np.ones(len(R))
    weights = R.sum(axis=1) if R.any() else np.ones(len(R))
    certain = np.asarray(1 - entropy(R + 1e-11, base=R.shape[1], axis=1))
    return max(0.0, float(np.average(certain, weights=weights))), certain


def _fit(z: Codes, column: Integers, seed: int, train: int) -> tuple[Matrix, float]:
    from sklearn.ensemble import GradientBoostingClassifier

    trees = GradientBoostingClassifier(random_state=seed).fit(z[:train], column[:train])
    return np.abs(trees.feature_importances_), float(trees.score(z[train:], column[train:]))
