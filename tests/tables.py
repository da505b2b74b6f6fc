"""Tables of factors and codes for tests of metrics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DSPRITES = (3, 6, 40, 32, 32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*sizes: int) -> NDArray[np.int64]:
    return np.indices(sizes).reshape(len(sizes), -1).T.copy()


def rotation(n: int, seed: int = 0) -> Array:
    return np.linalg.qr(rng(seed).standard_normal((n, n)))[0]


def standard(factors: Array) -> Array:
    scaled: Array = (factors - factors.mean(0)) / factors.std(0)
    return scaled


def noisy_mixture() -> tuple[Array, Array]:
    factors = grid(4, 5, 6)
    codes = standard(factors) @ (np.eye(3) + 0.7 * rotation(3, 5))
    return codes + 1.2 * rng(6).standard_normal(codes.shape), factors


def agree(ours: list[float], theirs: list[float]) -> bool:
    """Whether two estimates of one number differ by less than two standard errors."""
    error = np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / len(ours))
    return bool(abs(np.mean(ours) - np.mean(theirs)) < 2 * error)
