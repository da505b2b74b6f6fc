"""Reconstruction error: what a code loses of the image."""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS


@METRICS.register(
    "reconstruction",
    source="reconstruction beside disentanglement: Kim & Mnih, Disentangling by Factorising, "
    "ICML 2018, https://arxiv.org/abs/1802.05983; the squared error, its images and unit are ours",
    range=(0.0, 1.0),
    higher_is_better=False,
    protocol="held-out-10000-1",
    factors=0,
    by_name=True,
)
def reconstruction(squared_errors: NDArray[np.floating]) -> float:
    """Return the squared error of a pixel, mean over pixels and images, in [0, 1]; 0: none.

    Images are in [0, 1] and decoded from their codes alone, a VAE's from the posterior's mean: no
    likelihood enters, so methods with different ones compare. A generator with a post-hoc encoder
    is judged together with that encoder. They are 10,000 held-out images, the same for every
    method; of a data set without a split, of all.

    Args:
        squared_errors: (n,), of the images, each the mean over its pixels.
    """
    return float(np.mean(squared_errors, dtype=np.float64))
