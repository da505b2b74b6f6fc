"""Whether a generator makes every value of every factor, and as often as the data has it.

A classifier that counts the modes of samples: Metz, Poole, Pfau & Sohl-Dickstein, Unrolled
Generative Adversarial Networks, ICLR 2017, https://arxiv.org/abs/1611.02163. That it is done by
factor, and both numbers, are ours. They are of the marginals: what a generator never combines is
not seen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Detailed, Integers, placed

FACTS: dict[str, Any] = {
    "source": "after the modes that a classifier counts in Metz et al., Unrolled Generative "
    "Adversarial Networks, ICLR 2017, https://arxiv.org/abs/1611.02163; by factor it is ours",
    "range": (0.0, 1.0),
    "protocol": "marginals-1",
    "factors": 1,
    "by_name": True,
}
Array = NDArray[np.float64]


@METRICS.register("factor_coverage", higher_is_better=True, **FACTS)
def factor_coverage(factors: Integers, factors_real: Integers, *, least: float = 0.1) -> float:
    """Return which part of the data's values samples have, mean over the factors, in [0, 1].

    A value is there if its share of the samples is at least `least` of its share of the data: a
    classifier that errs now and then reads every value somewhere. 1: all values are there. Samples
    of a single image have 1 / values of each factor. Factors with a single value in the data are
    left out. Read it beside `truth`, whose images are real and go through the same classifier.

    Args:
        factors: (M, K) as the classifier reads them in samples.
        factors_real: (N, K) of training images.
        least: share of its share in the data that a value needs, in (0, 1].

    Raises:
        ValueError: every factor has a single value in the data.
    """
    return _mean(factors, factors_real, lambda q, p: np.mean((q >= least * p)[p > 0]))


@METRICS.register("factor_distance", higher_is_better=False, **FACTS)
def factor_distance(factors: Integers, factors_real: Integers) -> float:
    """Return the total variation distance of samples' factors from the data's, in [0, 1].

    Per factor, half the sum over its values of the absolute difference between their shares of the
    samples and of the data; then the mean over the factors. 0: equally distributed. Samples of a
    single image have 1 - 1 / values of a balanced factor. Factors with a single value in the data
    are left out. `truth` shows what the classifier's errors, and chance, come to.

    Args:
        factors: (M, K) as the classifier reads them in samples.
        factors_real: (N, K) of training images.

    Raises:
        ValueError: every factor has a single value in the data.
    """
    return _mean(factors, factors_real, lambda q, p: np.abs(q - p).sum() / 2)


def _mean(factors: Integers, factors_real: Integers, of: Callable[[Array, Array], Any]) -> Detailed:
    """Return the mean, over the factors that vary, of a number that `of` gives of `_shares`."""
    varied = np.ptp(factors_real, axis=0) > 0
    if not varied.any():
        raise ValueError("every factor has a single value in the data: there is nothing to cover")
    columns = zip(factors.T[varied], factors_real.T[varied], strict=True)
    each = [of(*_shares(*both)) for both in columns]
    return Detailed(float(np.mean(each)), factor=placed(each, varied))


def _shares(made: Integers, real: Integers) -> tuple[Array, Array]:
    """Return the share of each value, both (V,), among samples and in the data."""
    values = 1 + max(int(made.max()), int(real.max()))
    q, p = (np.bincount(column, minlength=values) / len(column) for column in (made, real))
    return q, p
