"""Kernel inception distance: how far generated images are from real ones, without bias.

Bińkowski, Sutherland, Arbel & Gretton, Demystifying MMD GANs, ICLR 2018,
https://arxiv.org/abs/1801.01401, section 4 and equation 4.
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS

Features = NDArray[np.floating]


@METRICS.register(
    "kid",
    source="Bińkowski et al., Demystifying MMD GANs, 2018, https://arxiv.org/abs/1801.01401; "
    "torch-fidelity's Inception, 10,000 images",
    range=(-np.inf, np.inf),
    higher_is_better=False,
    protocol="torch_fidelity-10000-1",
    factors=0,
    by_name=True,
)
def kid(
    features_real: Features,
    features_generated: Features,
    rng: np.random.Generator,
    *,
    subsets: int = 100,
    size: int = 1_000,
) -> float:
    """Return the squared maximum mean discrepancy of the features of images; 0: equal on average.

    The unbiased estimate with the kernel (x y / D + 1)^3, mean over random subsets; it may fall
    below 0. The network is that of `fid`.

    Args:
        features_real: (n, D) of held-out images.
        features_generated: (n, D).
        rng: draws the subsets, each without replacement.
        subsets: how many.
        size: images of either kind in one, all if there are fewer.

    Raises:
        ValueError: fewer than two images.
    """
    size = min(size, len(features_real), len(features_generated))
    if size < 2:
        raise ValueError("kid needs at least 2 images of either kind")
    sides = (features_real, features_generated)
    found = [
        _discrepancy(*(side[rng.choice(len(side), size, replace=False)] for side in sides))
        for _ in range(subsets)
    ]
    return float(np.mean(found))


def _discrepancy(x: Features, y: Features) -> float:
    """Return the unbiased MMD^2 of (n, D) and (n, D)."""
    n = len(x)
    within = sum(K.sum() - np.trace(K) for K in (_kernel(x, x), _kernel(y, y)))
    return float(within / (n * (n - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Features, y: Features) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = (x.astype(np.float64) @ y.T / x.shape[1] + 1) ** 3
    return kernel
