"""`speed --metrics`: its reference computes the same scores; speed itself is not tested."""

import numpy as np
import pytest

from benchmark.registry import METRICS
from benchmark.speed import encoding, plain_metrics
from benchmark.speed.bars import Measured, peak_memory, table
from benchmark.speed.plain_metrics import PLAIN, Grid, plain
from tests.tables import grid, noisy_mixture, rng

SMALL = {
    "betavae": {"train": 900, "evaluation": 600},
    "factorvae": {"train": 900, "evaluation": 600, "variance": 900},
    "sap": {"train": 900, "test": 600},
    "explicitness": {"train": 900, "test": 600},
}


@pytest.mark.parametrize("name", PLAIN)
def test_the_reference_gives_the_same_score(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_metrics, "TRAIN", 900)
    monkeypatch.setattr(plain_metrics, "TEST", 600)
    codes, factors = noisy_mixture()
    protocol = SMALL.get(name, {"samples": 900})
    ours = [METRICS[name].value(codes, factors, rng(seed), **protocol) for seed in range(4)]
    theirs = [plain(name, codes, Grid(factors), rng(seed)) for seed in range(4)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.03)


def test_a_grid_moves_along_one_factor() -> None:
    factors = grid(3, 4, 5)
    rows, values = rng().integers(60, size=20), rng(1).integers(4, size=20)
    moved = factors[Grid(factors).moved(rows, 1, values)]
    assert (moved[:, 1] == values).all()
    assert (moved[:, [0, 2]] == factors[rows][:, [0, 2]]).all()


@pytest.mark.slow
def test_encoding_is_beside_a_plain_loop() -> None:
    ours, plainly, differ = encoding.measure("toy", None, 5)
    assert "where plain takes" in ours.bar
    assert min(ours.value, plainly.value) > 0
    assert 0 <= differ.value < 0.05


def test_a_line_says_whether_it_holds() -> None:
    lines = table([Measured("a", 3, "s", "<= 4"), Measured("b", 5, "s", "<= 4", False)])
    assert [list(column.cells) for column in lines.columns][3] == ["holds", "does not hold"]
    assert peak_memory() > 1e7
