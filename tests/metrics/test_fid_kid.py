"""FID and KID as functions of features, beside other ways to compute them."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import sqrtm

from benchmark.registry import METRICS
from metrics.base import score
from metrics.fid import fid
from metrics.kid import kid
from tests.tables import Array, rng, rotation


def pair(n: int = 300, d: int = 12) -> tuple[Array, Array]:
    """Features of two distributions, correlated and apart."""
    source = rng(1)
    real = source.standard_normal((n, d)) @ source.standard_normal((d, d))
    return real.astype(np.float32), (0.7 * real[::-1] + source.random((n, d))).astype(np.float32)


@pytest.mark.parametrize("n", [300, 7])
def test_fid_is_the_published_formula(n: int) -> None:
    """With fewer images than features, the product of the covariances is singular."""
    x, y = (side.astype(np.float64) for side in pair(n))
    C1, C2 = np.cov(x.T), np.cov(y.T)
    root = np.real(sqrtm(C1 @ C2))
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(C1 + C2 - 2 * root)
    assert fid(x, y) == pytest.approx(expected, rel=1e-9 if n == 300 else 1e-5)


def test_fid_of_known_gaussians() -> None:
    x, _ = pair()
    assert fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid(x, x + np.float32(2)) == pytest.approx(4 * 12, rel=1e-4)
    # Deviations s and 3 s along every axis: the square of their difference, summed.
    assert fid(x, 3 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(4 * x.var(0, ddof=1).sum())
    both = [side @ rotation(12).astype(np.float32) for side in pair()]
    assert fid(*both) == pytest.approx(fid(*pair()), rel=1e-5)
    assert fid(*pair()) == pytest.approx(fid(*pair()[::-1]))


def test_kid_is_the_published_formula() -> None:
    x, y = (side[:9].astype(np.float64) for side in pair())

    def k(a: Array, b: Array) -> Any:
        return (np.dot(a, b) / 12 + 1) ** 3

    def within(side: Array) -> float:
        return float(np.mean([k(side[i], side[j]) for i in range(9) for j in range(9) if i != j]))

    expected = within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])
    assert kid(x, y, rng()) == pytest.approx(expected, rel=1e-9)


def test_kid_has_no_bias() -> None:
    """Halves of one sample: around 0 on either side of it, where FID is far above 0."""
    halves = [rng(seed).standard_normal((80, 12)) for seed in range(40)]
    found = [kid(half[:40], half[40:], rng()) for half in halves]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(40)
    assert np.mean([fid(half[:40], half[40:]) for half in halves]) > 1


def test_kid_draws_subsets_with_its_generator() -> None:
    x, y = pair()
    few = {"subsets": 5, "size": 50}
    assert kid(x, y, rng(1), **few) == kid(x, y, rng(1), **few)
    assert kid(x, y, rng(1), **few) != kid(x, y, rng(2), **few)
    assert kid(x, y, rng(1), subsets=400, size=50) == pytest.approx(kid(x, y, rng()), rel=0.15)


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_one_image_is_refused(name: str) -> None:
    sheet = {"features_real": np.ones((1, 4)), "features_generated": np.ones((1, 4))}
    with pytest.raises(ValueError, match=f"{name} needs at least 2 images"):
        score(METRICS[name], sheet, rng())


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_constant_features_are_no_distance_apart(name: str) -> None:
    sheet = {"features_real": np.ones((5, 4)), "features_generated": np.ones((5, 4))}
    assert score(METRICS[name], sheet, rng())[name] == pytest.approx(0, abs=1e-12)
