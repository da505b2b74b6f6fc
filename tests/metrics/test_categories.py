"""Categorical codes where metrics take distances or linear models: their numbers are names."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmark.registry import METRICS, Entry
from metrics.base import needs, score
from metrics.categories import one_hot
from metrics.factorvae import factorvae
from metrics.irs import irs
from metrics.sap import sap
from tests.tables import Array, grid, rng

SMALLER: dict[str, dict[str, Any]] = {
    "betavae": {"pairs": 8, "train": 1000, "evaluation": 500},
    "betavae_2017": {"pairs": 8, "train": 1000, "evaluation": 500},
    "factorvae": {"batch": 8, "train": 1000, "evaluation": 500},
    "sap": {"train": 1000, "test": 500},
    "explicitness": {"train": 1000, "test": 500},
    "downstream": {"sizes": (20, 60), "test": 100, "workers": 1},
    "attribute_auc": {},
    "irs": {"samples": 2000},
    "infomec": {"samples": 1000},
}
CATEGORICAL = np.array([True, False, False])


def test_those_that_take_categories_are_these() -> None:
    settings = {name: METRICS[name].value.__kwdefaults__ or {} for name in METRICS.names()}
    assert [name for name in settings if "categorical" in settings[name]] == sorted(SMALLER)


def table(numbers: Array) -> dict[str, Array]:
    """A categorical code that knows the first two factors nearly always, and two noisy ones."""
    factors = np.tile(grid(6, 2, 2), (20, 1))
    factors = np.insert(factors, 1, factors[:, 0] % 2, axis=1)
    seen = np.where(rng(1).random(len(factors)) < 0.1, 0, factors[:, 0])
    others = factors[:, 2:] + 0.7 * rng(2).standard_normal((len(factors), 2))
    codes = np.column_stack([numbers[seen], others])
    held_out = rng(3).random(len(factors)) < 0.5
    return {"codes": codes, "factors": factors, "held_out": held_out, "categorical": CATEGORICAL}


def values(name: str, arrays: dict[str, Array]) -> Array:
    entry = METRICS[name]
    few = replace(entry, value=partial(entry.value, **SMALLER[name]))
    if name == "downstream":
        few = replace(few, facts=entry.facts | {"parts": ("20", "60", "efficiency")})
        arrays = arrays | {"factors": arrays["factors"][:, :1]}
    return np.array([*score(few, arrays, rng()).values()])


@pytest.mark.parametrize("name", SMALLER)
def test_numbers_of_categories_are_names(name: str) -> None:
    arrays, renamed = table(np.arange(6)), table(np.array([4, 0, 60, 2, 1, 3]))
    assert values(name, renamed) == pytest.approx(values(name, arrays), abs=0.01)
    # Without being told, the metric takes them for lengths.
    del arrays["categorical"], renamed["categorical"]
    assert np.abs(values(name, renamed) - values(name, arrays)).max() > 0.01


@pytest.mark.parametrize("name", SMALLER)
def test_codes_without_categories_score_as_before(name: str) -> None:
    arrays = table(np.arange(6))
    without = {key: array for key, array in arrays.items() if key != "categorical"}
    none = arrays | {"categorical": np.zeros(3, bool)}
    assert values(name, none).tolist() == values(name, without).tolist()


def test_one_hot_vectors() -> None:
    codes = np.array([[7, 0.5, 2], [3, 0.1, 2], [7, 0.2, 4]], np.float32)
    found, starts = one_hot(codes, np.array([True, False, True]))
    assert found.tolist() == [
        [0, 1, pytest.approx(0.5), 1, 0],
        [1, 0, pytest.approx(0.1), 1, 0],
        [0, 1, pytest.approx(0.2), 0, 1],
    ]
    assert starts.tolist() == [0, 2, 3]
    assert found.dtype == np.float32


def test_codes_without_categories_are_not_copied() -> None:
    codes = rng().random((5, 3))
    for none in (None, np.zeros(3, bool)):
        found, starts = one_hot(codes, none)
        assert found is codes
        assert starts.tolist() == [0, 1, 2]


def test_the_variance_of_a_category_is_how_often_two_rows_differ() -> None:
    """Of the two codes, the one that tells of the other factor is the stillest in every batch."""
    factors = np.tile(grid(3, 2), (50, 1))
    # As numbers, 0 and 100 differ more often than not where factor 1 is fixed.
    codes = np.column_stack([np.array([0, 1, 100])[factors[:, 0]], factors[:, 1]]).astype(float)
    few: dict[str, Any] = {"batch": 8, "train": 500, "evaluation": 500}
    both = np.array([True, True])
    assert factorvae(codes, factors, rng(), categorical=both, **few) == 1


def test_a_category_that_is_a_factor_predicts_it_wholly() -> None:
    factors = np.tile(grid(4), (100, 1))
    codes = factors.astype(float)
    told = sap(codes, factors, rng(), train=1000, test=500, categorical=np.array([True]))
    assert told == 1
    assert sap(codes, factors, rng(), train=1000, test=500) < 0.8


def test_irs_of_a_category_is_of_the_length_of_differences() -> None:
    factors = np.tile(grid(2, 2), (500, 1))
    same = factors[:, :1].astype(float)
    assert irs(same, factors, rng(), categorical=np.array([True])) == 1
    # A fair coin beside the factors: no value of either fixes it.
    coin = rng(5).integers(2, size=(len(factors), 1)).astype(float)
    assert irs(coin, factors, rng(), categorical=np.array([True])) < 0.1


def test_a_metric_is_told_where_it_asks() -> None:
    def asks(codes: Array, *, categorical: Array | None = None) -> float:
        return -1.0 if categorical is None else float(categorical.sum())

    entry = Entry("asks", asks, "nobody", {"factors": 0})
    codes = np.zeros((4, 3))
    assert score(entry, {"codes": codes, "categorical": CATEGORICAL}, rng()) == {"asks": 1}
    assert score(entry, {"codes": codes}, rng()) == {"asks": -1}


def test_each_has_a_protocol_of_its_own() -> None:
    protocols = {name: METRICS[name].facts["protocol"] for name in SMALLER}
    assert all(not protocol.endswith("-1") for protocol in protocols.values())
    assert all("codes" in needs(METRICS[name].value) for name in protocols)
