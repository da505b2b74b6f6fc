"""The named cases for metrics that tests/metrics/test_known_scores.py does not hold."""

from typing import Any

import numpy as np
import pytest

from benchmark.registry import METRICS
from metrics.attribute_auc import attribute_auc
from metrics.base import needs, score
from metrics.betavae import betavae
from metrics.downstream import downstream
from metrics.infomec import infomec
from metrics.unsupervised import gaussian_tc, mutual_information_codes, wasserstein_norm
from tests.metrics.test_metric_contract import sheet
from tests.tables import Array, grid, rng, rotation, standard

OF_CODES = [name for name in METRICS.names() if "codes" in needs(METRICS[name].value)]
BITS = np.tile(grid(2, 2, 2), (60, 1))
HELD_OUT = rng(7).random(len(BITS)) < 0.5
FEW: dict[str, Any] = {"sizes": (40, 40), "test": 200, "workers": 1}


def noisy() -> Array:
    codes: Array = BITS + 0.8 * rng(8).standard_normal(BITS.shape)
    return codes


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", OF_CODES)
def test_codes_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    given = sheet("random")
    codes = given["codes"].copy()
    codes[123, 4] = bad
    with pytest.raises(ValueError, match=r"not finite: 1 of .* row 123, column 4"):
        score(METRICS[name], given | {"codes": codes}, rng())


def test_betavae_of_scaled_and_permuted_codes() -> None:
    factors, few = grid(4, 5, 6), {"train": 1000, "evaluation": 500}
    for scale in (0.25, 64):
        assert betavae(scale * factors[:, [2, 0, 1]], factors, rng(), **few) > 0.99


def test_attribute_auc_of_permuted_scaled_duplicated_and_dead_codes() -> None:
    codes = noisy()
    before = attribute_auc(codes, BITS, HELD_OUT, rng())
    assert 0.7 < before < 0.95
    dead = np.full((len(codes), 1), 0.3)
    for changed in (codes[:, [2, 0, 1]], 64 * codes - 5, np.hstack([codes, dead])):
        assert attribute_auc(changed, BITS, HELD_OUT, rng()) == pytest.approx(before, abs=1e-4)
    # Twice the codes is half the penalty.
    twice = np.hstack([codes, codes])
    assert attribute_auc(twice, BITS, HELD_OUT, rng()) == pytest.approx(before, abs=0.01)


def test_attribute_auc_leaves_out_a_factor_of_a_single_value() -> None:
    still = np.insert(BITS, 1, 0, axis=1)
    found = attribute_auc(noisy(), still, HELD_OUT, rng())
    assert found == attribute_auc(noisy(), BITS, HELD_OUT, rng())


def test_downstream_of_rotated_and_scaled_codes() -> None:
    straight = downstream(standard(BITS), BITS, rng(), **FEW)
    turned = downstream(standard(BITS) @ rotation(3), BITS, rng(), **FEW)
    scaled = downstream(8 * standard(BITS)[:, ::-1], BITS, rng(), **FEW)
    assert straight["40"] > 0.95
    assert turned["40"] == pytest.approx(straight["40"], abs=0.05)
    assert scaled["40"] == pytest.approx(straight["40"], abs=0.05)


def test_infomec_of_random_codes_explains_nothing() -> None:
    codes = rng(9).standard_normal((len(BITS), 3))
    assert infomec(codes, BITS, rng())["infoe"] < 0.1
    assert infomec(standard(BITS), BITS, rng())["infoe"] > 0.9


@pytest.mark.parametrize("samples", [3, 9])
def test_fewer_samples_than_bins_or_codes(samples: int) -> None:
    codes = rng(3).standard_normal((50, 6))
    for metric in (gaussian_tc, wasserstein_norm, mutual_information_codes):
        low, high = METRICS[metric.__name__].facts["range"]
        assert low <= metric(codes, rng(), samples=samples) <= high
    found = infomec(codes[:12], grid(3, 4), rng())
    assert all(0 <= value <= 1 for value in found.values())
    assert 0 <= attribute_auc(codes[:8], grid(2, 2, 2), np.arange(8) % 3 > 0, rng()) <= 1
