"""Every metric of codes on codes whose score is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.registry import METRICS
from tests.tables import DSPRITES, Array, grid, noisy_mixture, rng, rotation, standard

FEW: dict[str, dict[str, Any]] = {
    "betavae": {"train": 2000, "evaluation": 1000},
    "betavae_2017": {"train": 2000, "evaluation": 1000},
    "factorvae": {"train": 1000, "evaluation": 1000, "variance": 2000},
    "mig": {"samples": 5000},
    "sap": {"train": 3000, "test": 2000},
    "modularity": {"samples": 5000},
    "explicitness": {"train": 2000, "test": 1000},
    "irs": {"samples": 5000},
}


def value(name: str, codes: Array, factors: Array, seed: int = 0, **protocol: Any) -> float:
    return float(METRICS[name].value(codes, factors, rng(seed), **FEW[name] | protocol))


# Two factors of two values each, coded by 0 and 1.
SQUARE = np.tile(grid(2, 2), (50, 1))
# Two factors of nine values each: a rotation by 45 degrees mixes them evenly.
BOARD = grid(9, 9)
QUARTER = np.array([[1, -1], [1, 1]]) / np.sqrt(2)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("betavae", 1),
        ("betavae_2017", 1),
        ("factorvae", 1),
        ("mig", 1),
        # The other code says nothing of two values: one half is right.
        ("sap", 0.5),
        ("modularity", 1),
        ("explicitness", 1),
        ("irs", 1),
    ],
)
class TestIdentity:
    def test_binary(self, name: str, known: float) -> None:
        assert value(name, SQUARE.astype(float), SQUARE) == pytest.approx(known, abs=0.03)

    def test_permuted(self, name: str, known: float) -> None:
        codes = 3.0 - SQUARE[:, ::-1]
        assert value(name, codes, SQUARE) == pytest.approx(known, abs=0.03)

    def test_of_many_values(self, name: str, known: float) -> None:
        """Where linear classifiers of one code must fail."""
        found = value(name, BOARD.astype(float), BOARD)
        if name == "sap":
            assert 0.1 < found < 0.98
        else:
            assert found == pytest.approx(known, abs=0.01)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("betavae", 1 / 3),
        ("factorvae", 0),
        ("mig", 0),
        ("sap", 0),
        ("modularity", 0),
        ("explicitness", 1 / 2),
        ("irs", 0),
    ],
)
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_constant(name: str, known: float, kind: str) -> None:
    codes = np.full((60, 4), 7.3).astype(kind)
    assert value(name, codes, grid(3, 4, 5)) == pytest.approx(known, abs=0.04)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("betavae", 1),
        ("factorvae", 1),
        ("mig", 0),
        ("sap", 0),
        ("modularity", 1),
        ("explicitness", 1),
        ("irs", 1),
    ],
)
def test_duplicated(name: str, known: float) -> None:
    codes = np.hstack([SQUARE, SQUARE]).astype(np.float32)
    assert value(name, codes, SQUARE) == pytest.approx(known, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "known", "error"),
    [
        ("betavae", 1 / 2, 0.07),
        ("factorvae", 1 / 2, 0.07),
        ("mig", 0, 0.03),
        ("sap", 0, 0.03),
        ("modularity", 0, 0.06),
    ],
)
def test_rotated_codes_cannot_be_told_apart(name: str, known: float, error: float) -> None:
    codes = standard(BOARD) @ QUARTER
    assert value(name, codes, BOARD) == pytest.approx(known, abs=error)


def test_rotated_codes_are_as_explicit_and_less_robust() -> None:
    straight, turned = standard(BOARD), standard(BOARD) @ QUARTER
    explicit = value("explicitness", straight, BOARD)
    assert value("explicitness", turned, BOARD) == pytest.approx(explicit, abs=0.005)
    # One factor held, the other one moves both codes by half of their range or nearly.
    assert 0.4 < value("irs", turned, BOARD) < 0.6 < value("irs", straight, BOARD)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("betavae", 1 / 3),
        ("factorvae", 1 / 3),
        ("mig", 0),
        ("sap", 0),
        ("explicitness", 1 / 2),
    ],
)
def test_noise(name: str, known: float) -> None:
    factors = grid(9, 30, 30)
    codes = rng(1).standard_normal((len(factors), 4))
    assert value(name, codes, factors) == pytest.approx(known, abs=0.06)


def test_modularity_of_codes_that_tell_equally_of_all_factors() -> None:
    for K in range(2, 12):
        table = rng(K).integers(5, size=(300, 1))
        assert 0 <= value("modularity", table + rng(1).random((300, 1)), table.repeat(K, 1)) < 1e-12


# What a change of the codes changes.


EXACT = ("factorvae", "mig", "sap", "modularity", "irs")


@pytest.mark.parametrize("name", FEW)
def test_the_order_of_codes_and_factors_does_not_count(name: str) -> None:
    codes, factors = noisy_mixture()
    before = value(name, codes, factors)
    error = 1e-12 if name in EXACT else 0.003
    assert value(name, codes[:, [2, 0, 1]], factors) == pytest.approx(before, abs=error)
    # Which factor is fixed is drawn by its place, and so are the rows.
    error = 0.05 if name in ("betavae", "factorvae") else error
    assert value(name, codes, factors[:, [1, 2, 0]] * 3 - 4) == pytest.approx(before, abs=error)


@pytest.mark.parametrize("name", ["factorvae", "mig", "modularity", "explicitness", "irs"])
def test_a_power_of_two_times_the_codes_does_not_count(name: str) -> None:
    codes, factors = noisy_mixture()
    assert value(name, codes * 64, factors) == value(name, codes, factors)


def test_factorvae_drops_codes_of_small_deviation() -> None:
    codes, factors = SQUARE - 0.5, SQUARE
    # The deviation of a fair coin is one half.
    assert value("factorvae", codes * 0.103, factors) == 1
    assert value("factorvae", codes * 0.097, factors) == 0
    assert value("factorvae", codes * [1, 0.097], factors) == pytest.approx(0.5, abs=0.05)
    assert value("factorvae", codes * 0.097, factors, threshold=0.0) == 1


def test_factorvae_divides_variances_by_one_less_than_the_rows() -> None:
    # Two rows 0.08 apart: deviation 0.057, where a division by two would make it 0.04.
    seed = next(seed for seed in range(9) if len(set(rng(seed).integers(2, size=2))) == 2)
    factors = grid(2).repeat(2, axis=1)
    assert value("factorvae", factors[:, :1] * 0.08, factors, seed, variance=2) > 0.4


@pytest.mark.parametrize("name", FEW)
def test_a_dead_code(name: str) -> None:
    codes, factors = noisy_mixture()
    before = value(name, codes, factors)
    # It is one code of four that has no modularity.
    known = before * 3 / 4 if name == "modularity" else before
    error = 1e-12 if name in EXACT else 0.003
    dead = np.hstack([codes, np.full((len(codes), 1), 0.1)])
    assert value(name, dead, factors) == pytest.approx(known, abs=error)


@pytest.mark.parametrize("name", ["mig", "sap", "modularity", "explicitness"])
def test_a_factor_of_a_single_value_is_left_out(name: str) -> None:
    codes, factors = noisy_mixture()
    still = np.insert(factors, 1, 5, axis=1)
    assert value(name, codes, still) == value(name, codes, factors)


@pytest.mark.parametrize(
    ("name", "known"),
    # FactorVAE: nothing tells that it is fixed, and each code stands for its own factor.
    [("betavae", 1), ("factorvae", 3 / 4), ("irs", 1)],
)
def test_a_factor_of_a_single_value_counts(name: str, known: float) -> None:
    factors = grid(4, 5, 6)
    still = np.insert(factors, 1, 5, axis=1)
    assert value(name, factors.astype(float), still) == pytest.approx(known, abs=0.05)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mig", "single value"),
        ("sap", "single value"),
        ("explicitness", "single value"),
        ("modularity", "2 factors with several values; the drawn rows have 0"),
    ],
)
def test_no_factor_varies(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value(name, rng().random((9, 2)), np.zeros((9, 2), int))


@pytest.mark.parametrize("name", ["betavae", "betavae_2017", "factorvae", "modularity"])
def test_two_factors_are_needed(name: str) -> None:
    assert METRICS[name].facts["factors"] == 2
    with pytest.raises(ValueError, match="at least 2 factors"):
        value(name, rng().random((9, 2)), grid(9))


def test_without_a_penalty_small_codes_score_like_large_ones() -> None:
    """Codes of an untrained encoder are small, and the penalty alone takes their score."""
    factors = grid(4, 5, 6)
    codes = factors @ rotation(3)
    large, small = (value("betavae_2017", scale * codes, factors) for scale in (1, 1e-3))
    assert large == pytest.approx(small, abs=1e-3)
    assert value("betavae", 1e-3 * codes, factors) < small - 0.1


# Tables of few rows, and of rows in any order.

ALMOST: dict[str, float] = dict.fromkeys(FEW, 1) | {"sap": 0.4}


@pytest.mark.parametrize("name", FEW)
def test_fewer_rows_than_bins_or_samples(name: str) -> None:
    factors = grid(2, 3)
    found = value(name, factors.astype(float), factors)
    assert ALMOST[name] - 0.02 < found <= 1


SCANT: dict[str, dict[str, Any]] = {
    "betavae": {"train": 40, "evaluation": 20, "pairs": 1},
    "betavae_2017": {"train": 40, "evaluation": 20, "pairs": 1},
    "factorvae": {"train": 9, "evaluation": 5, "variance": 9, "batch": 2},
    "mig": {"samples": 9},
    "sap": {"train": 12, "test": 9},
    "modularity": {"samples": 9},
    "explicitness": {"train": 12, "test": 9},
    "irs": {"samples": 9},
}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["float32", "float64", "uint8"]))
@pytest.mark.parametrize("name", SCANT)
def test_few_samples_give_a_score_in_range(name: str, seed: int, kind: str) -> None:
    """Fewer than bins, values that only test rows have, factors that no drawn row moves."""
    source = rng(seed)
    factors = source.integers(source.integers(2, 7, size=4), size=(14, 4))
    factors[:2, :2] = [[0, 0], [1, 1]]
    codes = (factors[:, [0, 1, 1]] * source.integers(3) + 2 * source.random((14, 3))).astype(kind)
    low, high = METRICS[name].facts["range"]
    assert low <= value(name, codes, factors, seed, **SCANT[name]) <= high


def ragged() -> tuple[Array, Array]:
    """Half of a grid's rows, some of them several times."""
    factors = grid(4, 5, 6)[rng(2).integers(120, size=150)]
    return factors @ rotation(3) + rng(3).standard_normal(factors.shape), factors


@pytest.mark.parametrize("name", FEW)
def test_the_order_of_rows_does_not_count(name: str) -> None:
    codes, factors = ragged()
    order = rng(9).permutation(len(codes))
    before = [value(name, codes, factors, seed) for seed in range(2)]
    after = [value(name, codes[order], factors[order], seed) for seed in range(2)]
    assert before != after, "other rows are drawn"
    assert np.mean(after) == pytest.approx(np.mean(before), abs=0.03)


@pytest.mark.parametrize("name", FEW)
def test_the_seed_is_all_chance(name: str) -> None:
    codes, factors = ragged()
    assert value(name, codes, factors, 1) == value(name, codes.copy(), factors.copy(), 1)
    assert len({value(name, codes, factors, seed) for seed in range(4)}) > 1


# dSprites: what its true factors and noise score, with the protocol's own numbers of samples.


@pytest.fixture(scope="module")
def dsprites() -> Array:
    return grid(*DSPRITES)


CEILING: list[tuple[str, Callable[[Array], Array], float, float]] = [
    ("sap", lambda f: f, 0.232, 0.006),
    ("sap", lambda f: f / f.std(0), 0.214, 0.006),
    ("sap", lambda f: f * 0.1, 0.115, 0.006),
    ("factorvae", lambda f: f, 1, 0),
    ("modularity", lambda f: f, 1, 0.0005),
    ("explicitness", lambda f: f, 0.988, 0.003),
    ("irs", lambda f: f, 0.981, 0.003),
    ("modularity", lambda f: rng(1).standard_normal((len(f), 10)), 0.684, 0.03),
    ("sap", lambda f: rng(1).standard_normal((len(f), 10)), 0, 0.01),
    ("factorvae", lambda f: rng(1).standard_normal((len(f), 10)), 0.2, 0.02),
    ("modularity", lambda f: np.hstack([f, rng(1).standard_normal(f.shape)]), 0.835, 0.015),
]


@pytest.mark.parametrize(("name", "codes", "known", "error"), CEILING)
def test_dsprites(
    name: str, codes: Callable[[Array], Array], known: float, error: float, dsprites: Array
) -> None:
    table = codes(dsprites).astype(np.float32)
    assert METRICS[name].value(table, dsprites, rng()) == pytest.approx(known, abs=error)
