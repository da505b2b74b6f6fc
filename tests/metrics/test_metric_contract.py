"""Metrics: the contract, cases whose score is known, and slow implementations of the protocols."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from threadpoolctl import threadpool_info, threadpool_limits

from benchmark.registry import METRICS, Entry
from metrics import betavae as betavae_module
from metrics.base import REASONS, as_codes, inapplicable, needs, row_names, score
from metrics.betavae import betavae
from metrics.c1_accuracy import c1_accuracy, c1_accuracy_many_to_one
from metrics.discretise import discretise, entropy, mutual_information
from metrics.draws import partners
from metrics.mig import mig
from tests.tables import DSPRITES, Array, agree, grid, noisy_mixture, rng, rotation, standard

SIZES = (2, 4, 5)

CODES: dict[str, Callable[[Array], Array]] = {
    "truth": lambda f: f.astype(np.float32),
    "constant": lambda f: np.ones(f.shape, np.float32),
    "rotated": lambda f: standard(f) @ rotation(f.shape[1]),
    "duplicated": lambda f: np.hstack([f, f]).astype(np.float32),
    "random": lambda f: rng(1).standard_normal((len(f), 6)),
}


def sheet(code: str) -> dict[str, Array]:
    """Every array that a metric may ask for, read-only: metrics are pure functions."""
    factors = np.tile(grid(*SIZES), (5, 1))
    codes = CODES[code](factors)
    seen = {"features_real": codes, "features_generated": codes + rng(4).random(codes.shape)}
    label = factors[:, 1]
    c1 = {"truth": label, "constant": 0 * label, "random": rng(2).integers(4, size=len(label))}
    held_out = np.arange(len(factors)) % 5 == 0
    arrays = {
        "codes": codes,
        "factors": factors,
        "c1": c1.get(code, (label + factors[:, 0]) % 4),
        "label": label,
        "held_out": held_out,
        "std": np.full(codes.shape, 0.1, np.float16),
        "squared_errors": rng(3).random(50).astype(np.float32),
        "factors_real": grid(*SIZES),
    }
    arrays |= seen
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


# The contract of every metric.

# What is slow at its published size is smaller here.
SMALLER: dict[str, dict[str, Any]] = {
    "dci": {"train": 100, "test": 100, "workers": 1},
    "dci_fast": {"train": 1000, "boosted": 500, "workers": 1},
    "downstream": {"workers": 1},
    "mig_chen": {"samples": 100, "workers": 1},
}


def small(name: str) -> Entry[Any]:
    entry = METRICS[name]
    return replace(entry, value=partial(entry.value, **SMALLER.get(name, {})))


@pytest.mark.parametrize("name", METRICS.names())
def test_entry_says_what_tables_need(name: str) -> None:
    entry = METRICS[name]
    low, high = entry.facts["range"]
    assert low < high
    assert isinstance(entry.facts["higher_is_better"], bool)
    assert isinstance(entry.facts["protocol"], str)
    assert entry.facts["protocol"]
    assert entry.facts["factors"] >= 0
    assert "https://" in entry.source
    assert set(needs(entry.value)) <= set(REASONS)
    assert (entry.facts["factors"] > 0) == ("factors" in needs(entry.value))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", METRICS.names())
def test_score_lies_in_its_range_and_repeats(name: str, code: str) -> None:
    if name == "downstream" and code != "constant":
        pytest.skip("it takes long on codes that can be learned; it has tests of its own")
    entry = small(name)
    low, high = entry.facts["range"]
    values = score(entry, sheet(code), rng())
    assert tuple(values) == row_names(entry)
    assert all(low <= value <= high for value in values.values())
    assert score(entry, sheet(code), rng()) == values


@pytest.mark.parametrize("code", ["constant", "random"])
@pytest.mark.parametrize("name", METRICS.names())
def test_truth_beats_a_code_that_knows_nothing(name: str, code: str) -> None:
    entry = small(name)
    asked = {*needs(entry.value)}
    looks = {"codes", "c1"} & asked, {"factors", "label"} & asked
    if name == "downstream" or not all(looks):
        pytest.skip("it does not compare codes with the truth, or has tests of its own")
    truth, other = score(entry, sheet("truth"), rng()), score(entry, sheet(code), rng())
    sign = 1 if entry.facts["higher_is_better"] else -1
    # Few rows that are drawn often are learned by heart.
    rows = set(truth) - {"dci_fast_informativeness"}
    assert all(sign * truth[row] > sign * other[row] for row in rows)


def test_score_runs_on_one_thread() -> None:
    def threads(codes: Array) -> float:
        return float(max(pool["num_threads"] for pool in threadpool_info()))

    entry = Entry("threads", threads, "nobody", {"factors": 0})
    with threadpool_limits(2):
        assert threads(np.zeros((1, 1))) == 2
        assert score(entry, {"codes": np.zeros((1, 1))}, rng()) == {"threads": 1}


def test_a_metric_of_several_numbers_has_a_row_for_each() -> None:
    def spread(codes: Array) -> dict[str, float]:
        return {"high": float(codes.max()), "low": float(codes.min())}

    entry = Entry("spread", spread, "nobody", {"factors": 0, "parts": ("low", "high")})
    found = score(entry, {"codes": np.array([[1.0, 3.0]])}, rng())
    assert list(found.items()) == [("spread_low", 1.0), ("spread_high", 3.0)]


# What a metric needs, and what the user is told.


def test_needs_are_the_parameters_without_default() -> None:
    assert needs(mig) == ("codes", "factors", "rng")
    assert needs(c1_accuracy) == ("c1", "label", "held_out")


@pytest.mark.parametrize(
    ("name", "has", "factors", "reason"),
    [
        ("mig", {"codes", "factors"}, 1, None),
        ("mig", {"factors"}, 3, "needs codes, and the method has none"),
        ("mig", {"codes"}, 0, "needs ground-truth factors, and the data set has none"),
        ("betavae", {"codes", "factors"}, 2, None),
        (
            "betavae",
            {"codes", "factors"},
            1,
            "needs at least 2 factors; the data set has 1",
        ),
        ("c1_accuracy", {"c1", "label", "held_out"}, 0, None),
        (
            "c1_accuracy",
            {"codes", "label", "held_out"},
            1,
            "needs a categorical code (c1), and the method has none",
        ),
        ("c1_accuracy", {"c1", "held_out"}, 5, "needs a label, and the data set has none"),
    ],
)
def test_inapplicable_gives_the_reason(
    name: str, has: set[str], factors: int, reason: str | None
) -> None:
    assert inapplicable(METRICS[name], has=has, factors=factors) == reason


def test_inapplicable_names_a_need_that_no_run_has() -> None:
    entry = Entry("odd", lambda codes, moon: 0.0, "nobody", {"factors": 0})
    reason = inapplicable(entry, has={"codes", "moon"}, factors=0)
    assert reason is not None
    assert "'moon'" in reason


def test_codes_that_are_not_finite_are_named() -> None:
    codes = np.zeros((2**21 + 10, 3), np.float32)
    codes[2**21 + 5, 2] = np.nan
    codes[2**21 + 7, 0] = np.inf
    table: dict[str, Array] = {"codes": codes, "factors": np.zeros((len(codes), 2), np.int64)}
    with pytest.raises(ValueError, match=r"2 of 6291486 .* row 2097157, column 2"):
        score(METRICS["mig"], table, rng())


def test_score_refuses_what_is_no_table() -> None:
    factors = grid(2, 2)
    with pytest.raises(ValueError, match="do not agree"):
        score(METRICS["mig"], {"codes": np.zeros((5, 2)), "factors": factors}, rng())
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        score(METRICS["mig"], {"codes": np.zeros(4), "factors": factors}, rng())


TOY = grid(3, 2, 4, 4)
USUAL = ("betavae", "factorvae", "mig", "modularity", "sap")


def scores(codes: Array, factors: Array = TOY, names: Sequence[str] = USUAL) -> list[float]:
    table = {"codes": codes, "factors": factors}
    return [score(METRICS[name], table, rng())[name] for name in names]


@pytest.mark.parametrize(
    "kind", ["float16", "float32", "longdouble", "uint8", "int8", "uint16", "int64"]
)
def test_codes_of_every_type_score_as_float64(kind: str) -> None:
    # Of int8, the differences of two codes are beyond what it holds.
    codes = TOY * 80 - 120 if kind == "int8" else TOY + 10
    assert scores(codes.astype(kind)) == scores(codes.astype(np.float64))


def test_half_precision_codes_of_a_large_table() -> None:
    factors = grid(*DSPRITES)
    assert scores((factors + 10).astype(np.float16), factors, ["factorvae", "mig"]) == scores(
        factors + 10.0, factors, ["factorvae", "mig"]
    )


def test_boolean_codes_are_scored_as_0_and_1() -> None:
    found = dict(zip(USUAL, scores(TOY > 1), strict=True))
    assert found == pytest.approx(
        {"betavae": 1, "factorvae": 0.752, "mig": 0.395, "modularity": 0.750, "sap": 0.205},
        abs=0.03,
    )
    assert scores(TOY > 1) == scores((TOY > 1).astype(np.uint8))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kind", "scale"),
    [("float32", 1e38), ("float64", 1e38), ("float32", 1e-30), ("float64", 1e-200)],
)
def test_codes_of_any_scale(kind: str, scale: float) -> None:
    codes = (TOY * scale).astype(kind)
    assert scores(codes, names=["mig", "modularity"]) == scores(TOY, names=["mig", "modularity"])
    if scale > 1:
        assert scores(codes, names=["factorvae"]) == [1]
        # Of opposite signs: their difference is no float32.
        assert scores((TOY - 1.5) * (2.2 * scale), names=["factorvae"]) == [1]
    assert all(np.isfinite(scores(codes)))


@pytest.mark.parametrize(
    "codes", [TOY * 1e300, TOY.astype(np.longdouble) * 1e300 * 1e300, TOY * 2**60]
)
def test_codes_that_are_too_large_are_named(codes: Array) -> None:
    with pytest.raises(ValueError, match=r"codes are beyond .* 256 of 384 .* row 1, column 3"):
        scores(codes)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="complex128 of shape"):
        scores(TOY * 1j)


def test_integers_stay_integers_and_ordinary_floats_are_not_copied() -> None:
    kinds = {bool: "uint8", np.uint8: "uint8", np.int8: "int64", np.uint64: "int64"}
    assert {kind: as_codes(TOY.astype(kind)).dtype.name for kind in kinds} == kinds
    for kind in (np.float32, np.float64, np.uint8):
        codes = TOY.astype(kind)
        assert np.shares_memory(as_codes(codes), codes)


# Bins and mutual information.


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_that_of_sklearn(seed: int) -> None:
    binned = rng(seed).integers(20, size=(3000, 6))
    binned[:, 5] = 0
    factors = rng(seed + 9).integers(-3, [1, 5, 200], size=(3000, 3))
    factors[:, 0] = binned[:, 0] // 3 - 2
    expected = [[mutual_info_score(f, b) for f in factors.T] for b in binned.T]
    assert np.abs(mutual_information(binned, factors) - expected).max() < 1e-9
    own = [mutual_info_score(f, f) for f in factors.T]
    assert np.abs(entropy(factors) - own).max() < 1e-9


@pytest.mark.parametrize("kind", ["float64", "float32", "uint8", "int64"])
def test_bins_are_those_of_numpy(kind: str) -> None:
    codes = (rng().standard_normal((1000, 7)) * 20 + 100).astype(kind)
    codes[:, 3] = 7
    codes[:, 4] = np.arange(1000) % 21
    for column, binned in zip(codes.T, discretise(codes, 20).T, strict=True):
        edges = np.histogram(column, 20)[1]
        assert np.array_equal(binned, np.digitize(column, edges[:-1]) - 1)


def test_bins_of_a_code_that_hardly_moves() -> None:
    codes = (1 + rng().random((1000, 1)) * 3e-7).astype(np.float32)
    with pytest.raises(ValueError, match="Too many bins"):
        np.histogram(codes, 20)
    binned = discretise(codes, 20)
    assert binned.min() >= 0
    assert binned.max() < 20


# MIG: cases with a known score.


def test_mig_of_the_truth_is_one() -> None:
    # Not quite: in finitely many rows, the second best code seems to tell something.
    assert mig(grid(*SIZES).astype(float), grid(*SIZES), rng()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("size", [2, 3, 5, 7, 20])
def test_mig_of_a_single_code(size: int) -> None:
    factors = grid(size)
    value = mig(factors.astype(float), factors, rng())
    assert value == pytest.approx(1, abs=1e-12)
    assert value <= 1


@pytest.mark.parametrize("code", ["constant", "duplicated"])
def test_mig_at_its_floor(code: str) -> None:
    assert mig(CODES[code](grid(*SIZES)), grid(*SIZES), rng()) == pytest.approx(0, abs=1e-12)


def test_mig_of_rotated_truth_is_low() -> None:
    factors = grid(8, 8)
    quarter = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    assert mig(factors @ quarter, factors, rng()) < 0.02


def test_mig_by_hand() -> None:
    # Code 0 is factor 0; code 1 is their exclusive or, which alone tells of neither.
    factors = np.tile(grid(2, 2), (100, 1))
    codes = np.column_stack([factors[:, 0], factors[:, 0] ^ factors[:, 1]]).astype(float)
    assert mig(codes, factors, rng(), samples=100_000) == pytest.approx(0.5, abs=1e-3)


def test_mig_of_half_a_factor() -> None:
    # Four values, and a code that knows the upper bit: I = log 2, H = log 4.
    factors = grid(4)
    value = mig((factors // 2).astype(float), factors, rng(), samples=100_000)
    assert value == pytest.approx(0.5, abs=1e-3)


def test_mig_ignores_order_scale_and_dead_codes() -> None:
    factors = grid(*SIZES)
    codes = standard(factors) @ rotation(3) + 0.3 * rng(4).standard_normal((40, 3))
    value = mig(codes, factors, rng())
    assert 0.01 < value < 0.9
    assert mig(codes[:, [2, 0, 1]], factors, rng()) == value
    assert mig(codes * 1024, factors, rng()) == value
    assert mig(np.hstack([codes, np.full((40, 1), 3.0)]), factors, rng()) == value


def test_mig_leaves_out_a_factor_of_a_single_value() -> None:
    codes = CODES["rotated"](grid(*SIZES))
    still = np.hstack([grid(*SIZES), np.full((40, 1), 2)])
    assert mig(codes, still, rng()) == mig(codes, grid(*SIZES), rng())


def test_mig_without_any_factor_that_varies() -> None:
    with pytest.raises(ValueError, match="single value"):
        mig(rng().random((9, 2)), np.zeros((9, 2), int), rng())


def test_mig_with_fewer_rows_than_bins() -> None:
    factors = grid(2, 3)
    assert mig(factors.astype(float), factors, rng()) == pytest.approx(1, abs=1e-3)
    assert 0 <= mig(rng().random((6, 3)), factors, rng(), samples=4) <= 1


def test_mig_on_dsprites_ceiling_and_floor() -> None:
    factors = grid(*DSPRITES)
    noise = rng(1).standard_normal((len(factors), 5), dtype=np.float32)
    truth = factors.astype(np.float32)
    assert mig(truth, factors, rng()) == pytest.approx(0.896, abs=0.003)
    assert mig(np.hstack([truth, noise]), factors, rng()) == pytest.approx(0.896, abs=0.003)
    assert mig(truth, factors[:, [2]], rng()) == pytest.approx(0.80, abs=0.01)
    assert mig(noise, factors, rng()) < 0.005


# The beta-VAE metric: cases with a known score.

FEW = {"train": 2000, "evaluation": 1000}


@pytest.mark.parametrize("code", ["truth", "duplicated"])
def test_betavae_of_the_truth_is_one(code: str) -> None:
    assert betavae(CODES[code](grid(*SIZES)), grid(*SIZES), rng(), **FEW) == 1


@pytest.mark.parametrize("code", ["constant", "random"])
def test_betavae_at_chance(code: str) -> None:
    factors = grid(4, 5, 6, 7, 8)
    assert betavae(CODES[code](factors), factors, rng(), **FEW) == pytest.approx(0.2, abs=0.04)


def test_betavae_on_dsprites_ceiling_and_floor() -> None:
    factors = grid(*DSPRITES)
    noise = rng(1).standard_normal((len(factors), 10), dtype=np.float32)
    assert betavae(factors.astype(np.float32), factors, rng()) == 1
    assert betavae(noise, factors, rng()) == pytest.approx(0.2, abs=0.02)


def test_betavae_of_unsigned_pixels_is_that_of_floats() -> None:
    factors = grid(*SIZES)
    pixels = rng(3).integers(256, size=(3, 5, 200))[0, factors[:, 2]].astype(np.uint8)
    pixels[:, :60] = rng(5).integers(256, size=(4, 60))[factors[:, 1]]
    value = betavae(pixels, factors, rng(), **FEW)
    assert value == betavae(pixels.astype(float), factors, rng(), **FEW)
    assert value > 0.6


def test_betavae_with_a_factor_of_a_single_value() -> None:
    # Sharing it leaves no trace, which is a trace of its own: no code is still.
    factors = np.hstack([grid(*SIZES), np.full((40, 1), 2)])
    assert betavae(grid(*SIZES).astype(float), factors, rng(), **FEW) > 0.95


def test_betavae_on_a_subset_of_a_grid() -> None:
    rows = rng(7).permutation(5**3)[:60]
    factors = grid(5, 5, 5)[rows] * 10 - 7
    assert betavae(factors.astype(float), factors, rng(), **FEW) == 1
    assert betavae(rng(8).random((60, 3)), factors, rng(), **FEW) < 0.6


def test_betavae_needs_two_factors() -> None:
    with pytest.raises(ValueError, match="at least 2 factors"):
        betavae(np.zeros((4, 2)), grid(4), rng())


@pytest.mark.filterwarnings("error")
def test_betavae_keeps_the_classifiers_warnings_to_itself() -> None:
    x, y = rng().random((500, 200)) * 255, rng(1).integers(3, size=500)
    with pytest.warns(ConvergenceWarning):
        LogisticRegression().fit(x, y)
    codes = rng(2).integers(256, size=(60, 200)).astype(np.uint8)
    betavae(codes, grid(*SIZES), rng(), train=500, evaluation=100, pairs=1)


def test_betavae_scores_points_it_was_not_fitted_on() -> None:
    codes = rng().standard_normal((24 * 25, 200))
    value = betavae(codes, grid(24, 25), rng(), train=100, evaluation=1000, pairs=1)
    assert value == pytest.approx(0.5, abs=0.1)


def test_partners_are_uniform_among_rows_of_the_same_value() -> None:
    column = np.array([4, -2, 4, 4, 70_000, -2])
    rows = np.repeat(np.arange(6), 30_000).reshape(-1, 2)
    drawn = partners(column, rows, rng())
    assert np.array_equal(column[drawn], column[rows])
    counts = np.zeros((6, 6))
    np.add.at(counts, (rows, drawn), 1)
    same = column[:, None] == column
    assert np.abs(counts / 30_000 - same / same.sum(1)).max() < 0.015


def test_differences_do_not_depend_on_the_block() -> None:
    codes = rng().integers(256, size=(50, 9), dtype=np.uint8)
    first, second = rng(1).integers(50, size=(2, 30, 8))
    direct = np.abs(codes[first].astype(float) - codes[second]).mean(1)
    for block in (1, 20, 10**6):
        points = betavae_module.mean_distances(codes, first, second, block)
        assert np.abs(points - direct).max() < 1e-12


# The published protocols, written a second time from their description, one image at a time.


def slow_mig(codes: Array, sizes: tuple[int, ...], samples: int, seed: int) -> float:
    source = rng(seed)
    drawn = np.array([[source.integers(n) for n in sizes] for _ in range(samples)])
    z = codes[np.ravel_multi_index(tuple(drawn.T), sizes)]
    bins = [np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in z.T]
    gaps = []
    for v in drawn.T:
        information = sorted(mutual_info_score(v, b) for b in bins)
        gaps.append((information[-1] - information[-2]) / mutual_info_score(v, v))
    return float(np.mean(gaps))


def slow_betavae(codes: Array, sizes: tuple[int, ...], points: int, seed: int) -> float:
    source = rng(seed)

    def batch() -> tuple[Array, Array]:
        x, y = [], []
        for _ in range(points):
            k = source.integers(len(sizes))
            v1, v2 = (source.integers(sizes, size=(64, len(sizes))) for _ in range(2))
            v2[:, k] = v1[:, k]
            z1, z2 = (codes[np.ravel_multi_index(tuple(v.T), sizes)] for v in (v1, v2))
            x.append(np.mean(np.abs(z1 - z2), axis=0))
            y.append(k)
        return np.array(x), np.array(y)

    classifier = LogisticRegression().fit(*batch())
    return float(classifier.score(*batch()))


def test_mig_is_the_published_protocol() -> None:
    codes, factors = noisy_mixture()
    ours = [mig(codes, factors, rng(seed), samples=2000) for seed in range(5)]
    theirs = [slow_mig(codes, (4, 5, 6), 2000, seed + 100) for seed in range(5)]
    assert 0.02 < np.mean(ours) < 0.9
    assert agree(ours, theirs)


def test_betavae_is_the_published_protocol() -> None:
    codes, factors = noisy_mixture()
    few = {"train": 2000, "evaluation": 2000}
    ours = [betavae(codes, factors, rng(seed), **few) for seed in range(5)]
    theirs = [slow_betavae(codes, (4, 5, 6), 2000, seed + 100) for seed in range(5)]
    assert 0.4 < np.mean(ours) < 0.97
    assert agree(ours, theirs)


# The first categorical code as a classifier.


def halves(c1: list[int], label: list[int]) -> tuple[Array, Array, Array]:
    """The same rows for training and held out."""
    return np.array(c1 * 2), np.array(label * 2), np.repeat([False, True], len(c1))


@pytest.mark.parametrize(
    ("c1", "label", "one", "many"),
    [
        ([0, 1, 2], [0, 1, 2], 1, 1),
        ([2, 0, 1], [10, 30, 20], 1, 1),
        ([0, 0, 0, 0], [1, 1, 1, 2], 3 / 4, 3 / 4),
        # Two categories for label 0: one of them is one too many.
        ([0, 0, 1, 2], [0, 0, 0, 1], 3 / 4, 1),
        # Both categories prefer label 0; one-to-one gives category 1 to label 1.
        ([0] * 5 + [1] * 5, [0] * 5 + [0] * 3 + [1] * 2, 7 / 10, 8 / 10),
        # More labels than categories.
        ([0, 0, 1, 1], [0, 1, 2, 3], 1 / 2, 1 / 2),
    ],
)
def test_c1_accuracy_by_hand(c1: list[int], label: list[int], one: float, many: float) -> None:
    assert c1_accuracy(*halves(c1, label)) == pytest.approx(one)
    assert c1_accuracy_many_to_one(*halves(c1, label)) == pytest.approx(many)


@pytest.mark.parametrize("metric", [c1_accuracy, c1_accuracy_many_to_one])
def test_c1_accuracy_scores_the_held_out_rows_only(metric: Callable[..., float]) -> None:
    # Training rows match 0-0 and 1-1; of the held-out ones, 2 of 4 follow. Category 9 and label 7
    # are new: wrong.
    c1 = np.array([0, 0, 1, 1, 0, 1, 9, 0])
    label = np.array([0, 0, 1, 1, 0, 1, 0, 7])
    assert metric(c1, label, np.arange(8) >= 4) == 0.5


def test_c1_accuracy_makes_no_match_that_no_training_row_supports() -> None:
    # Category 0 is label 0; label 1 is left for category 1, which never had it.
    c1 = np.array([0, 0, 0, 0, 1, 0, 1])
    label = np.array([0, 0, 0, 1, 0, 0, 1])
    assert c1_accuracy(c1, label, np.arange(7) >= 5) == 0.5


@pytest.mark.parametrize("metric", [c1_accuracy, c1_accuracy_many_to_one])
@pytest.mark.parametrize(("held_out", "side"), [(True, "training"), (False, "held-out")])
def test_c1_accuracy_needs_both_sides(
    metric: Callable[..., float], held_out: bool, side: str
) -> None:
    with pytest.raises(ValueError, match=f"no {side} row"):
        metric(np.zeros(4, int), np.zeros(4, int), np.full(4, held_out))


def test_c1_accuracy_of_a_random_code_is_chance() -> None:
    c1, label = rng().integers(10, size=(2, 60_000))
    held_out = np.arange(60_000) >= 50_000
    assert c1_accuracy(c1, label, held_out) == pytest.approx(0.1, abs=0.01)


# Invariants.


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), codes=st.integers(1, 6), order=st.randoms())
def test_mig_does_not_know_the_order_of_codes_or_factors(seed: int, codes: int, order: Any) -> None:
    factors = rng(seed).integers([2, 5, 9], size=(50, 3))
    table = rng(seed + 1).standard_normal((50, codes)) + factors[:, [seed % 3]]
    columns, names = list(range(codes)), [0, 1, 2]
    order.shuffle(columns)
    order.shuffle(names)
    value = mig(table, factors, rng(seed), samples=200)
    assert 0 <= value <= 1
    assert mig(table[:, columns], factors, rng(seed), samples=200) == value
    renamed = mig(table, factors[:, names] * 3 - 4, rng(seed), samples=200)
    assert renamed == pytest.approx(value, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 300), values=st.integers(1, 30))
def test_information_is_symmetric_and_at_most_the_entropy(seed: int, n: int, values: int) -> None:
    a = rng(seed).integers(values, size=(n, 2))
    b = (a + rng(seed + 1).integers(3, size=(n, 2))) // 2
    both = mutual_information(a, b)
    assert np.abs(both - mutual_information(b, a).T).max() < 1e-9
    assert (both >= 0).all()
    assert (both <= np.minimum(entropy(a)[:, None], entropy(b)) + 1e-9).all()


@pytest.mark.parametrize("metric", [c1_accuracy, c1_accuracy_many_to_one])
def test_c1_accuracy_needs_labels_that_differ(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="all rows have the same"):
        metric(*halves([0, 1, 0, 1], [3, 3, 3, 3]))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), categories=st.integers(1, 8), labels=st.integers(2, 8))
def test_c1_accuracy_ignores_names_and_many_to_one_is_no_lower(
    seed: int, categories: int, labels: int
) -> None:
    c1, label = rng(seed).integers(categories, size=40), rng(seed + 1).integers(labels, size=40)
    sides = halves(c1.tolist(), label.tolist())
    one, many = c1_accuracy(*sides), c1_accuracy_many_to_one(*sides)
    assert 0 < one <= many <= 1
    names = rng(seed + 2).permutation(8) * 11 - 5
    assert c1_accuracy(names[sides[0]], names[sides[1]], sides[2]) == one
