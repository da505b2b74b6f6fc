"""Statistics over seeds."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap

FEWEST = 3
"""Values below which no interval is given: it would say more than the data do."""


def interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the bootstrap interval (BCa) of the mean, or None for fewer than three values.

    The same values always give the same interval. Equal values give an interval without width.

    References:
        Efron, Better bootstrap confidence intervals, 1987, https://doi.org/10.2307/2289144
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) < FEWEST:
        return None
    if np.ptp(data) == 0:
        return float(data[0]), float(data[0])
    # The resamples must not depend on the order in which folders were read.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = bootstrap(
            (np.sort(data),), np.mean, confidence_level=level, rng=np.random.default_rng(0)
        ).confidence_interval
    if not np.isfinite([found.low, found.high]).all():
        return None
    return float(found.low), float(found.high)
