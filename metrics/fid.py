"""Fréchet inception distance: how far generated images are from real ones.

Heusel, Ramsauer, Unterthiner, Nessler & Hochreiter, GANs Trained by a Two Time-Scale Update Rule
Converge to a Local Nash Equilibrium, NeurIPS 2017, https://arxiv.org/abs/1706.08500, equation 6.
"""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS

Features = NDArray[np.floating]


@METRICS.register(
    "fid",
    source="Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, "
    "https://arxiv.org/abs/1706.08500; torch-fidelity's Inception, 10,000 images",
    range=(0.0, np.inf),
    higher_is_better=False,
    protocol="torch_fidelity-10000-1",
    factors=0,
    by_name=True,
)
def fid(features_real: Features, features_generated: Features) -> float:
    """Return the Fréchet distance of two Gaussians fitted to features of images, >= 0; 0: equal.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The fewer images, the larger, for equal
    distributions too: compare equal numbers only, and read it beside `truth`, whose images are
    real ones. The network is the paper's, as ported by torch-fidelity; most published numbers are
    of 50,000 images, and that this reaches one of them has not been shown. The network was trained
    on photographs; on dSprites it ranks, and says little more.

    Args:
        features_real: (n, D) of held-out images.
        features_generated: (n, D).

    Raises:
        ValueError: fewer than two images.
    """
    if min(len(features_real), len(features_generated)) < 2:
        raise ValueError("fid needs at least 2 images of either kind")
    (m1, C1), (m2, C2) = (_gaussian(f) for f in (features_real, features_generated))
    trace = np.trace(C1) + np.trace(C2) - 2 * _trace_of_root(C1, C2)
    return max(0.0, float(np.square(m1 - m2).sum() + trace))


def _gaussian(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (D,) and the covariance (D, D)."""
    x = features.astype(np.float64)
    return x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def _trace_of_root(C1: NDArray[np.float64], C2: NDArray[np.float64]) -> float:
    """Return tr (C1 C2)^(1/2): that of the root of the symmetric C1^(1/2) C2 C1^(1/2)."""
    from scipy.linalg import eigh

    values, vectors = eigh(C1)
    root = vectors * np.sqrt(np.maximum(0, values))
    squares = eigh(root.T @ C2 @ root, eigvals_only=True)
    return float(np.sqrt(np.maximum(0, squares)).sum())
