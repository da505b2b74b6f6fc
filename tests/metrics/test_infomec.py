"""InfoMEC: cases whose score is known, and slow implementations of the published definition."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mutual_info_score

from benchmark.registry import METRICS
from metrics.infomec import infomec

Array = NDArray[Any]
SIZES = (3, 4, 5)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*sizes: int) -> NDArray[np.int64]:
    return np.indices(sizes).reshape(len(sizes), -1).T.copy()


def standard(factors: Array) -> Array:
    scaled: Array = (factors - factors.mean(0)) / factors.std(0)
    return scaled


def slow_infomec(latents: Array, sources: Array) -> tuple[float, float, float]:
    """The published definition for discrete latents, one number after another."""
    nmi = np.array(
        [[mutual_info_score(s, z) / mutual_info_score(s, s) for z in latents.T] for s in sources.T]
    )
    nmi = nmi[:, np.ptp(latents, axis=0) > 0]
    S, L = nmi.shape
    infom = (np.mean(nmi.max(0) / nmi.sum(0)) - 1 / S) / (1 - 1 / S)
    infoc = (np.mean(nmi.max(1) / nmi.sum(1)) - 1 / L) / (1 - 1 / L)
    hot = np.hstack([z[:, None] == np.unique(z) for z in latents.T]).astype(float)
    explained = []
    for source in sources.T:
        H, H0 = (
            log_loss(
                source,
                LogisticRegression(C=np.inf, class_weight="balanced")
                .fit(x, source)
                .predict_proba(x),
            )
            for x in (hot, 0 * hot)
        )
        explained.append((H0 - H) / H0)
    return float(infom), float(np.mean(explained)), float(infoc)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_infomec_of_discrete_latents_is_the_published_one(seed: int) -> None:
    sources = rng(seed).integers(-1, [2, 3, 4], size=(400, 3))
    noise = rng(seed + 9).integers(2, size=(400, 3))
    mixed = sources[:, [1, 0, 2]] + noise * sources[:, [0, 1, 0]]
    latents = np.column_stack([mixed, 0 * noise[:, 0]])
    value = infomec(latents, sources, rng())
    # The order of the drawn rows moves the classifier's last digits.
    rows = rng().choice(400, 400, replace=False)
    expected = slow_infomec(latents[rows], sources[rows])
    assert list(value.values()) == pytest.approx(expected, abs=1e-6)
    assert all(0.05 < part < 0.95 for part in value.values())


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_infomec_of_the_identity_is_one(kind: type) -> None:
    factors = np.tile(grid(*SIZES), (10, 1))
    value = infomec(factors.astype(kind), factors, rng())
    assert tuple(value) == METRICS["infomec"].facts["parts"] == ("infom", "infoe", "infoc")
    assert list(value.values()) == pytest.approx([1, 1, 1], abs=0.05)


def slow_information(z: Array, s: Array, k: int) -> float:
    """Ross' (2014) estimate for a scalar and classes, from all distances; k = `neighbours`."""
    within = np.abs(z[:, None] - z)
    total = 0.0
    for i, row in enumerate(within):
        n = int((s == s[i]).sum())
        radius = np.sort(row[s == s[i]])[min(k, n - 1)]
        # Strictly nearer, and the point itself.
        m = int((row < radius).sum())
        total += digamma(min(k, n - 1)) - digamma(n) - digamma(m)
    return max(0.0, float(digamma(len(z)) + total / len(z)))


def test_infomec_of_continuous_latents_is_the_published_one() -> None:
    sources = rng(1).integers([2, 3], size=(300, 2))
    z = sources @ [[1, 0.5, 0], [0, 1, 0]] + 0.4 * rng(2).standard_normal((300, 3))
    # The last two hardly move: one just above a twentieth of the largest range, one below.
    z[:, 2] *= 0.051 * np.ptp(z[:, :2], axis=0).max() / np.ptp(z[:, 2])
    codes = np.column_stack([z, z[:, 2] * 0.9])
    value = infomec(codes, sources, rng())
    H = [mutual_info_score(s, s) for s in sources.T]
    nmi = np.array([[slow_information(x, s, 10) for x in z.T] for s in sources.T]) / [
        [h] for h in H
    ]
    infom = (np.mean(nmi.max(0) / nmi.sum(0)) - 1 / 2) * 2
    infoc = (np.mean(nmi.max(1) / nmi.sum(1)) - 1 / 3) * 3 / 2
    assert value["infom"] == pytest.approx(infom, abs=1e-6)
    assert value["infoc"] == pytest.approx(infoc, abs=1e-6)
    assert 0.1 < value["infom"] < 0.9


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_infomec_of_constant_codes_is_zero(kind: type) -> None:
    assert set(infomec(np.ones((12, 3), kind), grid(3, 4), rng()).values()) == {0.0}


def test_infomec_of_duplicated_codes_is_modular_and_not_compact() -> None:
    factors = np.tile(grid(*SIZES), (10, 1))
    value = infomec(np.hstack([factors, factors]), factors, rng())
    assert value["infom"] == pytest.approx(1, abs=0.02)
    # Two of six latents share every factor: (1/2 - 1/6) / (1 - 1/6).
    assert value["infoc"] == pytest.approx(0.4, abs=0.02)


def test_infomec_of_rotated_codes_is_lower() -> None:
    factors = np.tile(grid(5, 5), (20, 1))
    quarter = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    value = infomec(standard(factors) @ quarter, factors, rng())
    assert value["infom"] < 0.1
    assert value["infoc"] < 0.1
    assert value["infoe"] > 0.9


def test_infomec_ignores_dead_codes_order_and_scale() -> None:
    factors = np.tile(grid(*SIZES), (10, 1))
    mixing = np.array([[1, 0.5, 0], [0, 1, 0.5], [0.5, 0, 1]])
    codes = standard(factors) @ mixing + 0.3 * rng(4).standard_normal((600, 3))
    value = infomec(codes, factors, rng())
    assert 0.02 < value["infom"] < 0.9
    dead = np.hstack([codes, np.full((600, 1), 3.0)])
    for changed in (codes[:, [2, 0, 1]], codes * 1024, dead):
        assert infomec(changed, factors, rng()) == pytest.approx(value, abs=1e-3)


def test_infomec_leaves_out_a_factor_of_a_single_value() -> None:
    factors = np.tile(grid(*SIZES), (5, 1))
    codes = factors + rng(1).standard_normal(factors.shape)
    still = np.hstack([factors, np.full((300, 1), 2)])
    assert infomec(codes, still, rng()) == infomec(codes, factors, rng())
    with pytest.raises(ValueError, match="at least 2 factors that vary; the drawn rows have 1"):
        infomec(codes, still[:, [0, 3]], rng())


def test_infomec_of_a_single_latent_is_compact() -> None:
    value = infomec(grid(3, 4)[:, :1], grid(3, 4), rng())
    assert value["infoc"] == 1
    assert value["infom"] == pytest.approx(1)


def test_infomec_draws_no_row_twice() -> None:
    """A repeated row is its own neighbour: random codes would seem to know everything."""
    factors = grid(10, 10, 10)[:, :2]
    codes = np.hstack([factors, rng(2).standard_normal((1000, 2))])
    assert infomec(codes, factors, rng())["infoc"] > 0.8
    assert infomec(codes, factors, rng(), samples=500)["infoc"] > 0.8
