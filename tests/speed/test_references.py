"""`tests.speed`: the reference computes the same scores; speed itself is not tested."""

import numpy as np
import pytest

from benchmark.registry import METRICS
from tests.speed import encoding, plain_metrics
from tests.speed.bars import Measurement, peak_memory, report, table
from tests.speed.plain_metrics import PLAIN, Grid, plain
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
    ours, plainly, differ = encoding.measure("toy", 5)
    assert "where plain takes" in ours.bar
    assert min(ours.value, plainly.value) > 0
    assert 0 <= differ.value < 0.05


def test_a_line_says_whether_it_holds() -> None:
    held, missed = Measurement("a", 3, "s", "<= 4"), Measurement("b", 5, "s", "<= 4", False)
    lines = table([held, missed])
    assert [list(column.cells) for column in lines.columns][3] == ["holds", "does not hold"]
    for found, code in (([held], 0), ([held, missed], 1)):
        with pytest.raises(SystemExit) as error:
            report(found)
        assert error.value.code == code
    assert peak_memory() > 1e7
