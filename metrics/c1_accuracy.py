"""How well the first categorical code predicts the label.

Chen et al., InfoGAN: Interpretable Representation Learning by Information Maximizing Generative
Adversarial Nets, 2016, https://arxiv.org/abs/1606.03657, section 7.2, matches each category with
a digit and reports 5 % error on MNIST. It says neither how categories are matched nor on which
images: both matching rules, and the held-out rows, are ours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Integers

FACTS: dict[str, Any] = {
    "source": "Chen et al., InfoGAN, 2016, https://arxiv.org/abs/1606.03657, section 7.2; "
    "the matching rule and the held-out rows are ours",
    "range": (0.0, 1.0),
    "higher_is_better": True,
    "factors": 0,
}


@METRICS.register(
    "c1_accuracy",
    protocol="one-to-one-1",
    **FACTS,
)
def c1_accuracy(c1: Integers, label: Integers, held_out: NDArray[np.bool_]) -> float:
    """Return the share of held-out rows whose category is matched with their label, in [0, 1].

    Each category is matched with at most one label and each label with at most one category, so
    that most training rows are right (the assignment problem). Rows of a category without a label
    are wrong: one that no training row has, one too many, or one whose label would have no
    training row. 0: always wrong. 1: categories are labels. A constant c1 scores the share of one
    label.

    Args:
        c1: (M,) any integers.
        label: (M,) any integers; there may be more or fewer of them than categories.
        held_out: (M,) True for the rows scored, False for the rows that fix the matching.

    Raises:
        ValueError: no row is held out, or all are, or all have one label.
    """
    from scipy.optimize import linear_sum_assignment

    categories, labels, counts = _contingency(c1, label, held_out)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    seen = counts[rows, columns] > 0
    return _share_right(c1, label, held_out, categories[rows[seen]], labels[columns[seen]])


@METRICS.register(
    "c1_accuracy_many_to_one",
    protocol="many-to-one-1",
    **FACTS,
)
def c1_accuracy_many_to_one(c1: Integers, label: Integers, held_out: NDArray[np.bool_]) -> float:
    """Return the share of held-out rows that have their category's most frequent label, in [0, 1].

    The most frequent label among the training rows, the smallest of equals; several categories
    may have the same one, so more categories never hurt: compare only codes with as many. Rows of
    a category that no training row has are wrong. 0: always wrong. 1: the category tells the
    label.

    Args:
        c1: (M,) any integers.
        label: (M,) any integers.
        held_out: (M,) True for the rows scored, False for the rows that fix the majority.

    Raises:
        ValueError: no row is held out, or all are, or all have one label.
    """
    categories, labels, counts = _contingency(c1, label, held_out)
    return _share_right(c1, label, held_out, categories, labels[counts.argmax(axis=1)])


def _contingency(
    c1: Integers, label: Integers, held_out: NDArray[np.bool_]
) -> tuple[Integers, Integers, Integers]:
    """Return the categories (A,), labels (B,) and counts (A, B) of the training rows."""
    from scipy.stats.contingency import crosstab

    if held_out.all() or not held_out.any():
        side = "training" if held_out.all() else "held-out"
        raise ValueError(
            f"c1 accuracy needs training rows and held-out rows; no {side} row is there"
        )
    if np.ptp(label) == 0:
        raise ValueError("c1 accuracy needs labels that differ; all rows have the same")
    (categories, labels), counts = crosstab(c1[~held_out], label[~held_out])
    return categories, labels, counts


def _share_right(
    c1: Integers,
    label: Integers,
    held_out: NDArray[np.bool_],
    categories: Integers,
    labels: Integers,
) -> float:
    c1, label = c1[held_out], label[held_out]
    matches = zip(categories, labels, strict=True)
    right = sum(int(np.count_nonzero((c1 == a) & (label == b))) for a, b in matches)
    return right / len(c1)
