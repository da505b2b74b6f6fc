"""Statistics over seeds: beside SciPy's and statsmodels' own, and by simulation."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test
from statsmodels.stats.multitest import multipletests

from results import statistics
from results.statistics import holm, interval, intervals, paired_test, pairs_needed, smallest_p
from tests.tables import Array, rng


@pytest.mark.parametrize("n", [3, 5, 9, 40])
def test_an_interval_is_scipys(n: int) -> None:
    # Whole numbers: no sum is rounded, and SciPy sees which resamples have the sample's mean.
    values = np.sort(rng(n).integers(0, 1000, n)).astype(float)
    level, chance = statistics._widened(0.95, n), np.random.default_rng(7)
    theirs = bootstrap((values,), np.mean, confidence_level=level, rng=chance).confidence_interval
    ours = interval(values.tolist(), rng=np.random.default_rng(7))
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_the_level_of_many_values_is_as_asked_and_of_few_is_wider() -> None:
    assert statistics._widened(0.95, 10_000) == pytest.approx(0.95, abs=1e-4)
    # Hesterberg (2015): a tail of 0.025 is asked for as 0.0010 of n = 5, and as 0.0086 of n = 10.
    assert (1 - statistics._widened(0.95, 5)) / 2 == pytest.approx(0.0010, abs=5e-5)
    assert (1 - statistics._widened(0.95, 10)) / 2 == pytest.approx(0.0086, abs=5e-5)


DRAWS: dict[str, tuple[Callable[[int], Array], float]] = {
    "normal": (lambda n: rng(1).normal(0, 1, (1000, n)), 0.0),
    "scores": (lambda n: rng(2).beta(4, 8, (1000, n)), 1 / 3),
    "collapses": (
        lambda n: rng(3).choice([0.1, 0.6], (1000, n)) + rng(4).normal(0, 0.03, (1000, n)),
        0.35,
    ),
}


@pytest.mark.parametrize("drawn", DRAWS)
@pytest.mark.parametrize("n", [6, 10, 50])
def test_intervals_hold_the_mean_as_often_as_they_say(drawn: str, n: int) -> None:
    draw, mean = DRAWS[drawn]
    low, high = intervals(draw(n)).T
    covered = ((low <= mean) & (mean <= high)).mean()
    assert (0.9 if n == 6 else 0.925) < covered < (1 if drawn == "collapses" else 0.98)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_of_fewer_values_they_hold_it_as_often_as_the_table_admits(n: int) -> None:
    low, high = intervals(rng(n).normal(0, 1, (2000, n))).T
    covered = ((low <= 0) & (high >= 0)).mean()
    assert covered == pytest.approx(1 - 2 / 2**n, abs=0.03)


def test_intervals_of_what_has_none() -> None:
    assert interval([]) is None
    assert interval([0.1]) is None
    assert interval([0.1, 0.2]) is None
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([0.1, 0.2, float("nan")]) is None
    assert interval([0.1, 0.2, float("inf")]) is None
    assert intervals(np.empty((0, 5))).shape == (0, 2)
    mixed = intervals([[0.1, 0.2, 0.4], [1.0, 1.0, 1.0], [0.0, 1.0, np.nan]])
    assert mixed[0] == pytest.approx([0.1, 0.4])
    assert mixed[1].tolist() == [1.0, 1.0]
    assert np.isnan(mixed[2]).all()


def test_intervals_depend_on_the_values_alone() -> None:
    found = interval([0.1, 0.2, 0.4, 0.5, 0.9])
    assert found == interval([0.9, 0.5, 0.4, 0.2, 0.1])
    assert found is not None
    assert 0.1 <= found[0] < 0.42 < found[1] <= 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = interval([100.1, 100.2, 100.4, 100.5, 100.9])
    assert scaled == pytest.approx((found[0] + 100, found[1] + 100))
    assert found != interval([0.1, 0.2, 0.4, 0.5, 0.9], rng=np.random.default_rng(1))


def exact(differences: Array) -> float:
    """Return SciPy's p-value over all changes of signs."""
    every: Any = {"permutation_type": "samples", "n_resamples": np.inf}
    return float(permutation_test((differences,), np.sum, **every).pvalue)


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_the_paired_test_is_scipys(n: int) -> None:
    differences = rng(n).normal(0.3, 1, (8, n)).round(1)  # rounded: there are ties
    for d, p in zip(differences, paired_test(differences), strict=True):
        assert p == pytest.approx(exact(d))


def test_the_paired_test_of_many_pairs_is_nearly_exact() -> None:
    differences = rng(5).normal(0.5, 1, (1, 14))
    p = [paired_test(differences, rng=rng(seed))[0] for seed in range(5)]
    assert p == pytest.approx([exact(differences[0])] * 5, abs=0.006)
    assert len(set(p)) > 1
    assert paired_test(differences)[0] == paired_test(differences)[0]


def test_the_paired_test_of_what_cannot_differ() -> None:
    assert paired_test(np.zeros((2, 6))).tolist() == [1.0, 1.0]
    assert paired_test([[0.1, 0.1, 0.1]]).tolist() == [0.25]
    assert paired_test(np.full((1, 40), 0.2))[0] == smallest_p(40) == 1e-4


def test_the_paired_test_rejects_the_same_as_often_as_it_says() -> None:
    p = paired_test(rng(6).standard_t(3, (4000, 8)))
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert (paired_test(rng(7).normal(1.5, 1, (500, 8))) <= 0.05).mean() > 0.9


def test_how_many_pairs_a_test_needs() -> None:
    assert [smallest_p(n) for n in (3, 5, 6)] == [0.25, 0.0625, 0.03125]
    assert [pairs_needed(m) for m in (1, 2, 8, 35)] == [6, 7, 9, 11]
    for m in (1, 2, 8, 35):
        assert smallest_p(pairs_needed(m)) * m <= 0.05 < smallest_p(pairs_needed(m) - 1) * m


def test_holms_correction_is_statsmodels() -> None:
    for m in (1, 2, 7, 30):
        p = rng(m).beta(0.3, 3, m).round(2)
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm([]).tolist() == []
