"""DCI: cases whose score is known, and a slow implementation of the protocol."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from threadpoolctl import threadpool_limits

from metrics.dci import PARTS, dci, scores
from metrics.dci_fast import dci_fast
from metrics.parallel import on_all_cores, seeds

Array = NDArray[Any]
SIZES = (3, 4, 5)
SMALL: dict[Any, dict[str, Any]] = {
    dci: {"train": 250, "test": 200, "workers": 1},
    dci_fast: {"train": 1000, "test": 500, "boosted": 400, "workers": 1},
}
BOTH = pytest.mark.parametrize("metric", [dci, dci_fast])
Score = Callable[..., dict[str, float]]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*sizes: int) -> NDArray[np.int64]:
    return np.indices(sizes).reshape(len(sizes), -1).T.copy()


def standard(factors: Array) -> Array:
    scaled: Array = (factors - factors.mean(0)) / factors.std(0)
    return scaled


def rotated(factors: Array) -> Array:
    turn = np.linalg.qr(rng(0).standard_normal((factors.shape[1],) * 2))[0]
    turned: Array = standard(factors) @ turn
    return turned


def few(metric: Score, codes: Array, factors: Array, **changed: Any) -> dict[str, float]:
    return metric(codes, factors, rng(), **(SMALL[metric] | changed))


# The formulas of DCI.


def slow_certainty(R: Array) -> float:
    """Eastwood & Williams' weighted mean over rows, summed term by term."""
    total = 0.0
    for row in R:
        p = (row + 1e-11) / (row + 1e-11).sum()
        H = -sum(value * np.log(value) for value in p) / np.log(len(row))
        total += (1 - H) * row.sum() / R.sum()
    return total


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), L=st.integers(2, 7), K=st.integers(2, 5))
def test_scores_are_the_papers_formulas(seed: int, L: int, K: int) -> None:
    R = rng(seed).random((L, K)) ** 4
    R[rng(seed + 1).random((L, K)) < 0.3] = 0
    R[0, 0] += 0.1
    accuracy = rng(seed).random(K)
    value = scores(dict(enumerate(zip(R.T, accuracy.tolist(), strict=True))), K)
    assert value["disentanglement"] == pytest.approx(slow_certainty(R), abs=1e-9)
    assert value["completeness"] == pytest.approx(slow_certainty(R.T), abs=1e-9)
    assert value["informativeness"] == pytest.approx(accuracy.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("R", "disentanglement", "completeness"),
    [
        (np.eye(3), 1, 1),
        (np.ones((4, 3)), 0, 0),
        (np.zeros((4, 3)), 0, 0),
        # Two codes per factor: each pure, each factor in two of four.
        (np.repeat(np.eye(2), 2, axis=0) / 2, 1, 0.5),
        # One code for both factors, and a dead one that has no weight.
        (np.array([[1.0, 1], [0, 0]]), 0, 1),
        # Weights 3/4 and 1/4 of codes that are pure and that are torn.
        (np.array([[1.5, 0], [0.25, 0.25]]), 0.75, None),
        (np.array([[0.5, 0.5]]), 0, 1),
    ],
)
def test_scores_by_hand(R: Array, disentanglement: float, completeness: float | None) -> None:
    value = scores({k: (column, 0.5) for k, column in enumerate(R.T)}, R.shape[1])
    assert value["disentanglement"] == pytest.approx(disentanglement, abs=1e-8)
    if completeness is not None:
        assert value["completeness"] == pytest.approx(completeness, abs=1e-8)


def test_dci_is_the_published_protocol() -> None:
    factors = grid(*SIZES)
    codes = rotated(factors) + 0.1 * rng(3).standard_normal((60, 3))
    ours = dci(codes, factors, rng(7), train=200, test=100, workers=1)
    chance = rng(7)
    rows = chance.integers(60, size=300)
    drawn = dict(zip((2, 1, 0), chance.integers(2**31, size=3), strict=True))
    R, accuracy = np.zeros((3, 3)), []
    for k in range(3):
        trees = GradientBoostingClassifier(random_state=int(drawn[k]))
        trees.fit(codes[rows[:200]], factors[rows[:200], k])
        R[:, k] = trees.feature_importances_
        right = trees.predict(codes[rows[200:]]) == factors[rows[200:], k]
        accuracy.append(right.mean())
    assert ours["disentanglement"] == pytest.approx(slow_certainty(R), abs=1e-9)
    assert ours["completeness"] == pytest.approx(slow_certainty(R.T), abs=1e-9)
    assert ours["informativeness"] == pytest.approx(np.mean(accuracy), abs=1e-12)
    assert 0.05 < ours["disentanglement"] < 0.9


# DCI: cases with a known score.


@BOTH
def test_dci_of_the_identity_is_one(metric: Score) -> None:
    value = few(metric, grid(*SIZES).astype(float), grid(*SIZES))
    assert tuple(value) == PARTS
    assert all(part == pytest.approx(1, abs=0.02) for part in value.values())


@BOTH
def test_dci_of_constant_codes(metric: Score) -> None:
    factors = grid(2, 4)
    value = few(metric, np.ones((8, 3)), factors, test=5000)
    assert value["disentanglement"] == pytest.approx(0, abs=1e-12)
    assert value["completeness"] == pytest.approx(0, abs=1e-12)
    assert value["informativeness"] == pytest.approx((1 / 2 + 1 / 4) / 2, abs=0.03)


@BOTH
def test_dci_of_duplicated_codes(metric: Score) -> None:
    """disentanglement_lib's own case: ten factors, twenty codes."""
    factors = rng(1).integers(3, size=(5000, 10))
    codes = np.hstack([factors, factors]).astype(float)
    value = few(metric, codes, factors, train=500)
    assert value["disentanglement"] >= 0.9
    assert value["completeness"] == pytest.approx(1 - np.log(2) / np.log(20), abs=0.1)


@BOTH
def test_dci_of_rotated_codes_is_between(metric: Score) -> None:
    value = few(metric, rotated(grid(*SIZES)), grid(*SIZES))
    assert 0.05 < value["disentanglement"] < 0.85
    assert 0.05 < value["completeness"] < 0.85
    assert value["informativeness"] > 0.6


@BOTH
def test_dci_of_random_codes_is_near_zero(metric: Score) -> None:
    factors = rng(1).integers([3, 4], size=(20_000, 2))
    value = few(metric, rng(2).standard_normal((20_000, 4)), factors, train=600, test=2000)
    assert value["disentanglement"] < 0.15
    assert value["completeness"] < 0.15
    assert value["informativeness"] == pytest.approx((1 / 3 + 1 / 4) / 2, abs=0.05)


@BOTH
def test_dci_does_not_know_order_or_scale_of_codes(metric: Score) -> None:
    factors = grid(*SIZES)
    codes = rotated(factors) + 0.3 * rng(4).standard_normal((60, 3))
    value = few(metric, codes, factors)
    assert 0.05 < value["disentanglement"] < 0.9
    # Splits that are equally good are taken in the order of the codes.
    changed = codes[:, [2, 0, 1]] * [1, 1024, 0.5]
    assert few(metric, changed, factors) == pytest.approx(value, abs=0.03)


@BOTH
def test_dci_of_a_dead_code_is_that_without(metric: Score) -> None:
    factors = grid(*SIZES)
    codes = rotated(factors)
    dead = np.hstack([codes, np.full((60, 1), 3.0)])
    without, value = few(metric, codes, factors), few(metric, dead, factors)
    assert value["disentanglement"] == pytest.approx(without["disentanglement"], abs=0.02)
    assert value["informativeness"] == pytest.approx(without["informativeness"], abs=0.02)
    # One more code that is not used: the factors are more complete.
    assert value["completeness"] > without["completeness"]


@BOTH
def test_dci_leaves_out_a_factor_of_a_single_value(metric: Score) -> None:
    codes = rotated(grid(*SIZES))
    still = np.hstack([grid(*SIZES), np.full((60, 1), 2)])
    assert few(metric, codes, still) == few(metric, codes, grid(*SIZES))


@BOTH
def test_dci_needs_two_factors_that_vary(metric: Score) -> None:
    factors = np.hstack([grid(5), np.full((5, 2), 1)])
    with pytest.raises(ValueError, match="at least 2 factors that vary; the drawn rows have 1"):
        few(metric, rng().random((5, 2)), factors)


@BOTH
def test_dci_of_a_single_code_is_complete(metric: Score) -> None:
    value = few(metric, grid(2, 3)[:, :1].astype(float), grid(2, 3))
    assert value["completeness"] == 1


@BOTH
def test_dci_with_fewer_rows_than_asked(metric: Score) -> None:
    assert few(metric, grid(2, 2).astype(float), grid(2, 2))["informativeness"] == 1


def test_fast_dci_follows_dci() -> None:
    """Mixed, noisy codes of factors with many values each; both as they come but for the rows."""
    factors = grid(3, 4, 5, 5)
    mixing = np.array([[1, 0, 0, 0.3], [0, 1, 0.3, 0], [0, 0, 0.9, 0], [0, 0, 0, 1]])
    codes = standard(factors) @ mixing + 0.2 * rng(1).standard_normal((len(factors), 4))
    slow = dci(codes, factors, rng(), train=1000, test=1000, workers=1)
    fast = dci_fast(codes, factors, rng(), train=1000, test=1000, boosted=600, workers=1)
    assert 0.4 < slow["disentanglement"] < 0.9
    assert fast == pytest.approx(slow, abs=0.05)


# The same numbers on any machine.


@pytest.mark.slow
@BOTH
def test_dci_does_not_depend_on_the_number_of_processes(metric: Score) -> None:
    factors = grid(*SIZES)
    codes = rotated(factors) + 0.1 * rng(3).standard_normal((60, 3))
    one, two = (few(metric, codes, factors, train=100, workers=n) for n in (1, 2))
    assert one == two


@BOTH
def test_dci_does_not_depend_on_the_number_of_threads(metric: Score) -> None:
    codes, factors = rotated(grid(2, 3, 4)), grid(2, 3, 4)
    values = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            values.append(few(metric, codes, factors))
    assert values[0] == values[1]


def test_dci_gives_every_factor_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def stand_in(*, random_state: int) -> GradientBoostingClassifier:
        seen.append(random_state)
        return GradientBoostingClassifier(random_state=random_state, n_estimators=1)

    monkeypatch.setattr(sklearn.ensemble, "GradientBoostingClassifier", stand_in)
    for seed in (0, 1):
        dci(grid(2, 3).astype(float), grid(2, 3), rng(seed), train=50, test=10, workers=1)
    assert len(set(seen)) == 4


def negative(x: int) -> int:
    return -x


@pytest.mark.parametrize("workers", [1, 2, None])
def test_side_by_side_keeps_the_order(workers: int | None) -> None:
    assert on_all_cores(negative, [(x,) for x in range(5)], workers) == [0, -1, -2, -3, -4]


def test_seeds_are_those_of_the_generator() -> None:
    assert seeds(rng(3), 4) == rng(3).integers(2**31, size=4).tolist()
