"""Scores without labels, downstream accuracy, attribute ROC-AUC: known cases, slow formulas."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.model_selection import KFold

from benchmark.registry import METRICS
from metrics.attribute_auc import attribute_auc
from metrics.discretise import discretise
from metrics.downstream import downstream
from metrics.unsupervised import (
    gaussian_tc,
    mutual_information_codes,
    wasserstein,
    wasserstein_norm,
)

Array = NDArray[Any]
GAUSSIAN = [gaussian_tc, wasserstein, wasserstein_norm]
Score = Callable[..., float]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*sizes: int) -> NDArray[np.int64]:
    return np.indices(sizes).reshape(len(sizes), -1).T.copy()


def standard(x: Array) -> Array:
    scaled: Array = (x - x.mean(0)) / x.std(0)
    return scaled


def mixture(rows: int = 500, L: int = 4, seed: int = 0) -> Array:
    mixed: Array = rng(seed).standard_normal((rows, L)) @ rng(seed + 1).standard_normal((L, L))
    return mixed


# Without labels.


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), L=st.integers(2, 6))
def test_gaussian_scores_are_the_published_formulas(seed: int, L: int) -> None:
    codes = mixture(200, L, seed)
    S = np.cov(codes[rng(3).integers(200, size=1000)].T)
    tc = 0.5 * (np.log(np.diag(S)).sum() - np.linalg.slogdet(S)[1])
    w = 2 * np.trace(S) - 2 * np.trace(sqrtm(S * np.diag(S)[:, None])).real
    few = {"samples": 1000}
    assert gaussian_tc(codes, rng(3), **few) == pytest.approx(tc, rel=1e-9, abs=1e-9)
    assert wasserstein(codes, rng(3), **few) == pytest.approx(w, rel=1e-9, abs=1e-9)
    norm = w / np.trace(S)
    assert wasserstein_norm(codes, rng(3), **few) == pytest.approx(norm, rel=1e-9, abs=1e-9)


def test_gaussian_scores_by_hand() -> None:
    # Correlation r: -log(1 - r^2) / 2 nats; D^-1/2 S D^-1/2 has eigenvalues 1 + r and 1 - r.
    x = np.repeat([[1.0, 1], [-1, -1], [1, -1], [-1, 1]], [4, 4, 1, 1], axis=0)
    codes, r = x * 3, 0.6
    many = {"samples": 1_000_000}
    assert gaussian_tc(codes, rng(), **many) == pytest.approx(-0.5 * np.log(1 - r**2), abs=5e-3)
    root = np.sqrt(1 + r) + np.sqrt(1 - r)
    assert wasserstein(codes, rng(), **many) == pytest.approx(9 * (4 - 2 * root), abs=3e-2)
    assert wasserstein_norm(codes, rng(), **many) == pytest.approx(2 - root, abs=3e-3)


def test_mutual_information_is_the_mean_over_pairs() -> None:
    codes = mixture(300, 4)
    binned = discretise(codes[rng(3).integers(300, size=1000)], 20)
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    slow = np.mean([mutual_info_score(binned[:, a], binned[:, b]) for a, b in pairs])
    value = mutual_information_codes(codes, rng(3), samples=1000)
    assert value == pytest.approx(slow, abs=1e-9)
    assert value > 0.1


@pytest.mark.parametrize("score", [*GAUSSIAN, mutual_information_codes])
def test_independent_codes_score_zero(score: Score) -> None:
    assert score(grid(3, 4, 5).astype(float), rng()) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("score", [*GAUSSIAN, mutual_information_codes])
def test_rotated_factors_of_unlike_scale_score_more(score: Score) -> None:
    factors = grid(9, 9, 9) * [1, 2, 4]
    turned = factors @ np.linalg.qr(rng().standard_normal((3, 3)))[0]
    assert score(turned, rng()) > score(factors.astype(float), rng()) + 0.01


@pytest.mark.parametrize("score", [*GAUSSIAN, mutual_information_codes])
def test_constant_codes_score_zero(score: Score) -> None:
    assert score(np.full((50, 3), 0.1, np.float32), rng()) == 0


@pytest.mark.parametrize("score", [gaussian_tc, wasserstein])
def test_a_dead_code_changes_nothing(score: Score) -> None:
    codes = mixture()
    dead = np.hstack([codes, np.full((500, 1), 0.1)])
    assert score(dead, rng()) == pytest.approx(score(codes, rng()), rel=1e-9)


def test_duplicated_codes() -> None:
    codes = grid(5, 5)[:, [0, 1, 0, 1]].astype(float)
    assert 30 < gaussian_tc(codes, rng()) < 45
    assert wasserstein_norm(codes, rng()) == pytest.approx(2 - np.sqrt(2), abs=1e-3)
    # One of three other codes is a copy, with log 5 nats.
    value = mutual_information_codes(codes, rng(), samples=100_000)
    assert value == pytest.approx(np.log(5) / 3, abs=1e-3)


@pytest.mark.parametrize("score", [gaussian_tc, wasserstein_norm, mutual_information_codes])
def test_order_and_scale_of_all_codes_do_not_matter(score: Score) -> None:
    codes = mixture()
    value = score(codes, rng())
    assert value > 0.1
    assert score(codes[:, ::-1] * 1024, rng()) == pytest.approx(value, rel=1e-9)
    assert score(codes, rng(1)) != value


def test_total_correlation_ignores_and_wasserstein_follows_the_scale() -> None:
    codes = mixture()
    scaled = codes * [1, 8, 0.5, 2]
    assert gaussian_tc(scaled, rng()) == pytest.approx(gaussian_tc(codes, rng()), rel=1e-9)
    assert wasserstein(codes * 4, rng()) == pytest.approx(16 * wasserstein(codes, rng()), rel=1e-9)


@pytest.mark.parametrize("score", GAUSSIAN)
def test_a_single_code_has_nothing_to_share(score: Score) -> None:
    assert score(rng().random((50, 1)), rng()) == pytest.approx(0, abs=1e-12)


def test_mutual_information_needs_two_codes() -> None:
    with pytest.raises(ValueError, match="at least 2 codes; the table has 1"):
        mutual_information_codes(rng().random((50, 1)), rng())


# Downstream.

FEW: dict[str, Any] = {"sizes": (10, 30, 60), "test": 200, "workers": 1}


def slow_downstream(codes: Array, factors: Array, chance: np.random.Generator) -> list[float]:
    """Accuracies at 60, 30 and 10 rows."""
    means = []
    for size in (60, 30, 10):
        rows = chance.integers(len(codes), size=size + 200)
        right = []
        for column in factors.T:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = LogisticRegressionCV(Cs=10, cv=KFold(n_splits=5))
                model.fit(codes[rows[:size]], column[rows[:size]])
            right.append(np.mean(model.predict(codes[rows[size:]]) == column[rows[size:]]))
        means.append(float(np.mean(right)))
    return means


def test_downstream_is_the_published_protocol() -> None:
    factors = grid(3, 4)
    codes = standard(factors) + 0.5 * rng(1).standard_normal((12, 2))
    value = downstream(codes, factors, rng(2), **FEW)
    large, middle, small = slow_downstream(codes, factors, rng(2))
    expected = {"10": small, "30": middle, "60": large, "efficiency": min(1.0, middle / large)}
    assert value == pytest.approx(expected, abs=1e-12)
    assert list(value) == list(expected)
    assert 0.2 < small < large < 1


def test_downstream_registers_its_parts_in_order() -> None:
    parts = METRICS["downstream"].facts["parts"]
    assert parts == ("10", "100", "1000", "10000", "efficiency")
    value = downstream(grid(2, 2).astype(float), grid(2, 2), rng(), test=100, workers=1)
    assert tuple(value) == parts
    assert value["10000"] == 1


@pytest.mark.parametrize("dead", [0, 1])
def test_downstream_of_the_truth_and_of_a_dead_code(dead: int) -> None:
    factors = grid(2, 3)
    codes = np.hstack([factors, np.full((6, dead), 3)]).astype(float)
    value = downstream(codes, factors, rng(), **(FEW | {"sizes": (10, 100, 300)}))
    assert value["300"] == value["efficiency"] == 1
    assert value["10"] < 1


def test_downstream_of_constant_codes_is_chance() -> None:
    factors = grid(2, 4)
    value = downstream(np.ones((8, 2)), factors, rng(), **(FEW | {"test": 5000}))
    assert value["60"] == pytest.approx((1 / 2 + 1 / 4) / 2, abs=0.02)
    assert value["efficiency"] == pytest.approx(1, abs=0.06)


def test_downstream_of_permuted_and_duplicated_codes() -> None:
    factors = grid(2, 2, 2)
    for columns in ([2, 0, 1], [0, 1, 2, 0, 1, 2]):
        codes = factors[:, columns].astype(float)
        assert downstream(codes, factors, rng(), **FEW)["60"] == 1


def test_downstream_with_a_single_value() -> None:
    codes = mixture(12, 2)
    still = np.hstack([grid(3, 4), np.full((12, 1), 2)])
    assert downstream(codes, still, rng(), **FEW) == downstream(codes, grid(3, 4), rng(), **FEW)
    with pytest.raises(ValueError, match="every one has a single value"):
        downstream(codes, still[:, 2:], rng(), **FEW)
    # A rare value that no training row has: all are predicted as the other one.
    rare = (np.arange(1000) == 0).astype(int)[:, None]
    value = downstream(mixture(1000, 2), rare, rng(), **FEW)
    assert value["10"] > 0.98


@pytest.mark.slow
def test_downstream_does_not_depend_on_the_number_of_processes() -> None:
    codes, factors = mixture(60, 3), grid(3, 4, 5)
    one, two = (downstream(codes, factors, rng(), **(FEW | {"workers": n})) for n in (1, 2))
    assert one == two


# Attributes.


def halves(rows: int) -> NDArray[np.bool_]:
    odd: NDArray[np.bool_] = np.arange(rows) % 2 == 1
    return odd


def test_attribute_auc_is_sklearns_on_the_held_out_rows() -> None:
    z, held_out = mixture(400, 3), halves(400)
    factors = (z[:, :2] + z[:, 1:] + rng(5).standard_normal((400, 2)) > 0.5) * 2
    codes = z * [1, 100, 0.01] + 5
    areas = []
    z = (codes - codes[~held_out].mean(0)) / codes[~held_out].std(0)
    for column in factors.T:
        model = LogisticRegression().fit(z[~held_out], column[~held_out])
        areas.append(roc_auc_score(column[held_out], model.predict_proba(z[held_out])[:, 1]))
    value = attribute_auc(codes, factors, held_out, rng())
    # The order of the drawn rows moves the classifier's last digits.
    assert value == pytest.approx(np.mean(areas), abs=1e-4)
    assert 0.6 < value < 0.999


@pytest.mark.parametrize("columns", [[0, 1, 2], [2, 0, 1], [0, 1, 2, 0, 1, 2]])
def test_attribute_auc_of_the_truth_is_one(columns: list[int]) -> None:
    factors = np.tile(grid(2, 2, 2), (10, 1))
    codes = (factors[:, columns] * 1024).astype(np.float32)
    dead = np.hstack([codes, np.full((80, 1), 3, np.float32)])
    assert attribute_auc(dead, factors, np.arange(80) >= 40, rng()) == 1


def test_attribute_auc_at_chance() -> None:
    factors = rng(1).integers(2, size=(8000, 3))
    constant = attribute_auc(np.ones((8000, 2)), factors, halves(8000), rng())
    assert constant == 0.5
    random = attribute_auc(rng(2).standard_normal((8000, 2)), factors, halves(8000), rng())
    assert random == pytest.approx(0.5, abs=0.03)


def test_attribute_auc_of_rotated_truth_is_one() -> None:
    factors = np.tile(grid(2, 2), (20, 1))
    quarter = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    assert attribute_auc(factors @ quarter, factors, np.arange(80) >= 40, rng()) == 1


def test_attribute_auc_leaves_out_what_is_not_binary() -> None:
    codes, held_out = mixture(400, 3), halves(400)
    binary = (codes[:, :1] + rng(5).standard_normal((400, 1)) > 0).astype(int)
    three, one = np.arange(400)[:, None] % 3, np.zeros((400, 1), int)
    # Its second value is only among the training rows.
    lonely = (np.arange(400) == 0)[:, None].astype(int)
    value = attribute_auc(codes, binary, held_out, rng())
    assert 0.5 < value < 1
    assert attribute_auc(codes, np.hstack([three, binary, one, lonely]), held_out, rng()) == value
    with pytest.raises(ValueError, match="none of 3 has them"):
        attribute_auc(codes, np.hstack([three, one, lonely]), held_out, rng())


@pytest.mark.parametrize("side", [True, False])
def test_attribute_auc_needs_both_sides(side: bool) -> None:
    with pytest.raises(ValueError, match="one side is empty"):
        attribute_auc(mixture(8), grid(2, 4), np.full(8, side), rng())


def test_attribute_auc_draws_as_many_rows_as_asked() -> None:
    codes, held_out = mixture(400, 3), halves(400)
    factors = (codes[:, :1] + rng(5).standard_normal((400, 1)) > 0).astype(int)
    all_rows, few = (attribute_auc(codes, factors, held_out, rng(), train=n) for n in (200, 20))
    assert attribute_auc(codes, factors, held_out, rng(), train=999) == all_rows
    assert few != all_rows
