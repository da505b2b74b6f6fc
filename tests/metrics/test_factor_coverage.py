"""Factor coverage: a generator that makes one image, or some, is seen in a number."""

import numpy as np
import pytest

from benchmark.config.applicable import unscored
from benchmark.config.score import Score
from benchmark.evaluation.score import generated, scored
from datasets import Dataset
from metrics.base import Detailed
from metrics.factor_coverage import factor_coverage, factor_distance
from results.store import Generated
from tests.tables import Array, grid, rng

REAL = grid(2, 5, 1)


def both(made: Array) -> tuple[float, float]:
    return factor_coverage(made, REAL), factor_distance(made, REAL)


def test_samples_like_the_data() -> None:
    assert both(np.tile(REAL, (7, 1))) == (1, 0)


def test_one_image_again_and_again() -> None:
    made = np.tile([1, 3, 0], (100, 1))
    assert both(made) == pytest.approx(((1 / 2 + 1 / 5) / 2, (1 / 2 + 4 / 5) / 2))


def test_a_value_that_is_read_now_and_then_is_not_there() -> None:
    made = np.tile(REAL[REAL[:, 1] < 4], (100, 1))
    made[:10, 1] = 4
    assert factor_coverage(made, REAL) == pytest.approx((1 + 4 / 5) / 2)
    made[:100, 1] = 4
    assert factor_coverage(made, REAL) == 1


def test_a_factor_that_does_not_vary_is_left_out() -> None:
    found = factor_coverage(np.tile([1, 3, 0], (10, 1)), REAL)
    assert isinstance(found, Detailed)
    assert found.details["factor"][:2].tolist() == [1 / 2, 1 / 5]
    assert np.isnan(found.details["factor"][2])
    with pytest.raises(ValueError, match="single value in the data"):
        factor_distance(REAL, 0 * REAL)


def test_values_that_the_data_has_not_are_no_coverage_and_some_distance() -> None:
    assert both(REAL + np.array([0, 5, 0])) == pytest.approx((0.5, 0.5))


def rows(toy: Dataset, factors: Array) -> dict[str, float]:
    codes = rng().random((len(factors), 1))
    found = Generated(codes, factors, ["z1"], ["normal"], np.ones(4))
    names = ("factor_coverage", "factor_distance")
    subject = generated(toy, found)
    lines = [row for name in names for row in scored(Score(name, "generator"), subject, 0)]
    assert [row["metric"] for row in lines] == [f"{name}@generator" for name in names]
    assert list(lines[0]["details"]["factor"]) == list(toy.factor_names)
    return {row["metric"]: row["value"] for row in lines}


def test_a_collapsed_generator_is_seen_in_a_row(toy: Dataset) -> None:
    everything = toy.factors(rng().integers(len(toy), size=5_000))
    full, collapsed = rows(toy, everything), rows(toy, np.tile(everything[:1], (5_000, 1)))
    assert full["factor_coverage@generator"] == 1
    assert full["factor_distance@generator"] < 0.05
    share = np.mean([1 / size for size in toy.factor_sizes])
    assert collapsed["factor_coverage@generator"] == pytest.approx(share)
    assert collapsed["factor_distance@generator"] == pytest.approx(1 - share)


def test_some_factors_alone(toy: Dataset) -> None:
    made = toy.factors(np.arange(len(toy)))
    made[:, 0] = 0
    found = generated(toy, Generated(made[:, :1] * 1.0, made, ["z1"], ["normal"], np.ones(4)))
    (row,) = scored(Score("factor_coverage", "generator", ("size", "x")), found, 0)
    assert row["value"] == 1


def test_codes_of_real_images_have_none(toy: Dataset) -> None:
    assert "--side generator" in str(unscored(Score("factor_coverage"), toy.spec))
    assert unscored(Score("factor_coverage", "generator"), toy.spec) is None
