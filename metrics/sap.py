"""Separated attribute predictability, as disentanglement_lib computes it.

Kumar, Sattigeri & Balakrishnan, Variational Inference of Disentangled Latent Concepts from
Unlabeled Observations, ICLR 2018, https://openreview.net/forum?id=H1kG7GZAW, section 3; protocol:
Locatello et al., 2019, https://arxiv.org/abs/1811.12359, code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/sap_score.py.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, gaps, placed
from metrics.categories import Categorical, one_hot
from metrics.draws import HeldOut, drawn


@METRICS.register(
    "sap",
    source="Kumar et al., Variational Inference of Disentangled Latent Concepts, ICLR 2018, "
    "https://openreview.net/forum?id=H1kG7GZAW; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-3",
    factors=1,
)
def sap(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    train: int = 10_000,
    test: int = 5_000,
    C: float = 0.01,
    held_out: HeldOut = None,
    categorical: Categorical = None,
) -> float:
    """Return how much better the best code predicts a factor than the second best, in [0, 1].

    Per code and factor, a linear support vector machine predicts the factor from that code alone;
    its score is the accuracy on new rows. Per factor, the gap between the two best codes; then the
    mean over the factors. 0: no factor has a code that predicts it better than another does. 1:
    one code predicts each factor, and no other code ever does. One line per value in one code
    separates few values, so not even the true factors come near 1 (0.232 on dSprites); and as the
    machine is regularised and the code is not scaled, the score depends on the scale of the codes.
    Of a categorical code, the machine sees the one-hot vector.

    The machines are scikit-learn's LinearSVC(C, class_weight="balanced"), by its primal solver,
    which is deterministic and the default for more rows than codes. A value that no training row
    has is never predicted. Factors with a single value among the training rows are left out;
    LinearSVC would refuse them. With a single code the second best is 0.

    Args:
        codes: (M, L).
        factors: (M, K), values without order.
        rng: draws the rows, with replacement.
        train, test: rows that the machines are fitted on, and scored on.
        C: the weight of the loss against the regulariser.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: every factor has a single value in the training rows.
    """
    rows = drawn(len(codes), train, test, rng, held_out)
    table = factors[rows]
    varied = np.ptp(table[:train], axis=0) > 0
    if not varied.any():
        raise ValueError("every factor has a single value in the drawn rows: sap is not defined")
    table = table[:, varied]
    # Each takes its own rows: those of all codes, as float64, may be much memory.
    named = np.zeros(codes.shape[1], bool) if categorical is None else categorical
    accuracies_of = partial(_accuracies, rows=rows, table=table, train=train, C=C)
    with warnings.catch_warnings():
        # ConvergenceWarning, of codes far from unit scale: that is the protocol.
        warnings.filterwarnings("ignore", "Liblinear failed to converge")
        with ThreadPoolExecutor(cpu_count()) as pool:
            gap = gaps(np.array(list(pool.map(accuracies_of, codes.T, named))))
    return Detailed(gap.mean(), factor=placed(gap, varied))


def _accuracies(
    code: Codes, named: bool, rows: Integers, table: Integers, train: int, C: float
) -> NDArray[np.float64]:
    """Return how often (K,) a code (M,) predicts each factor of the rows after the first `train`.

    Args:
        code: (M,) of the whole table.
        named: whether it is categorical.
        rows: (N,) the rows drawn.
        table: (N, K) their factors.
        train: how many rows the machines are fitted on.
        C: the weight of the loss against the regulariser.
    """
    from sklearn.svm import LinearSVC

    x = one_hot(code[rows, None], np.array([named]))[0].astype(np.float64)
    machine = LinearSVC(C=C, class_weight="balanced", dual=False, random_state=0)
    fitted = (machine.fit(x[:train], y[:train]).score(x[train:], y[train:]) for y in table.T)
    return np.fromiter(fitted, np.float64)
