"""Separated attribute predictability, as disentanglement_lib computes it.

Kumar, Sattigeri & Balakrishnan, Variational Inference of Disentangled Latent Concepts from
Unlabeled Observations, ICLR 2018, https://openreview.net/forum?id=H1kG7GZAW, section 3; protocol:
Locatello et al., 2019, https://arxiv.org/abs/1811.12359, code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/sap_score.py.
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, placed
from metrics.draws import HeldOut, drawn
from metrics.svm import linear_svc


@METRICS.register(
    "sap",
    source="Kumar et al., Variational Inference of Disentangled Latent Concepts, ICLR 2018, "
    "https://openreview.net/forum?id=H1kG7GZAW; protocol of Locatello et al., 2019, "
    "https://github.com/google-research/disentanglement_lib",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="disentanglement_lib-1",
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
) -> float:
    """Return how much better the best code predicts a factor than the second best, in [0, 1].

    Per code and factor, a linear support vector machine predicts the factor from that code alone;
    its score is the accuracy on new rows. Per factor, the gap between the two best codes; then the
    mean over the factors. 0: no factor has a code that predicts it better than another does. 1:
    one code predicts each factor, and no other code ever does. One line per value in one code
    separates few values, so not even the true factors come near 1 (0.232 on dSprites); and as the
    machine is regularised and the code is not scaled, the score depends on the scale of the codes.

    The machines are scikit-learn's LinearSVC(C, class_weight="balanced") at their exact minimum,
    where disentanglement_lib's stop near it or, on codes far from unit scale, far from it
    (`metrics.svm`). Factors with a single value among the training rows are left out; LinearSVC
    would refuse them. With a single code the second best is 0.

    Args:
        codes: (M, L).
        factors: (M, K), values without order.
        rng: draws the rows, with replacement.
        train: rows that the machines are fitted on.
        test: rows that they are scored on.
        C: the weight of the loss against the regulariser.
        held_out: (M,) True for the rows that are scored, False for those that are fitted on; None:
            both are drawn from all rows, as published.

    Raises:
        ValueError: every factor has a single value in the training rows.
    """
    rows = drawn(len(codes), train, test, rng, held_out)
    table = factors[rows]
    varied = np.ptp(table[:train], axis=0) > 0
    targets = [_target(v, train) for v in table[:, varied].T]
    if not targets:
        raise ValueError("every factor has a single value in the drawn rows: sap is not defined")
    accuracy = np.zeros((codes.shape[1] + 1, len(targets)))
    # One code at a time: all rows of all codes, as float64, may be much memory.
    for scores, code in zip(accuracy, codes.T, strict=False):
        x = code[rows].astype(np.float64)
        scores[:] = [_accuracy(x, y, train, C) for y in targets]
    best = np.sort(accuracy, axis=0)
    gaps = best[-1] - best[-2]
    return Detailed(gaps.mean(), factor=placed(gaps, varied))


def _target(v: Integers, train: int) -> Integers:
    """Return classes 0, 1, ... (N,) of a factor v (N,); -1 for a value no training row has."""
    values = np.unique(v[:train])
    y = np.minimum(np.searchsorted(values, v), len(values) - 1)
    return np.where(values[y] == v, y, -1)


def _accuracy(x: NDArray[np.float64], y: Integers, train: int, C: float) -> float:
    """Return the share of the rows after `train` whose class y (N,) the code x (N,) predicts."""
    w, b = linear_svc(x[:train], y[:train], C)
    return float(np.mean(np.argmax(x[train:, None] * w + b, axis=1) == y[train:]))
