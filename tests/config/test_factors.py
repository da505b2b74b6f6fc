"""Scores of some factors, or of those that images tell apart, apart from scores of all."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.config.factors import seen
from benchmark.config.score import Score, Scoring
from benchmark.registry import UserError
from datasets import dsprites
from datasets.base import Spec
from metrics.mig import mig
from tests.command import Command
from tests.tables import grid, rng

SPEC = Spec("ring", (1, 8, 8), 2, ("shape", "turn"), (2, 5), same=(("turn", 0, 4),))


def test_no_other_orientations_of_dsprites_are_one_picture() -> None:
    ((name, first, last),) = dsprites.SPEC.same
    assert name == "orientation"
    for shape in range(3):
        pictures = [dsprites.draw(shape, 5, turn).tobytes() for turn in range(40)]
        assert pictures[first] == pictures[last]
        assert len(set(pictures)) == 39


def test_distinct_factors_are_those_that_images_tell_apart() -> None:
    factors = np.tile(grid(2, 5), (40, 1))
    found = seen(factors, SPEC, ["distinct"])
    assert set(found[:, 1]) == {0, 1, 2, 3}
    assert (factors[:, 1].max(), found.shape) == (4, factors.shape)
    assert np.array_equal(found[:, 0], factors[:, 0])
    pictures = np.column_stack([factors[:, 0], factors[:, 1] % 4]).astype(float)
    assert mig(pictures, found, rng()) == pytest.approx(1, abs=0.02)
    assert mig(pictures, factors, rng()) < 0.95


def test_factors_are_left_out_by_name() -> None:
    assert seen(grid(2, 5), SPEC, ["turn"])[:, 0].tolist() == [0, 1, 2, 3, 4] * 2
    assert np.array_equal(seen(grid(2, 5), SPEC, ["turn", "shape"]), grid(2, 5))
    with pytest.raises(UserError, match="unknown factor of ring 'trun'; did you mean 'turn'"):
        seen(grid(2, 5), SPEC, ["trun"])


def test_a_score_says_its_factors_in_the_protocol() -> None:
    one, other = Scoring("mig,gaussian_tc", "generator", " x , shape").scores()
    assert one == Score("mig", "generator", ("shape", "x"))
    assert (one.protocol, one.row_names) == (
        "disentanglement_lib-1, factors shape,x",
        ("mig@generator",),
    )
    assert str(one) == "mig/shape,x@generator"
    assert other == Score("gaussian_tc", "generator")
    assert Scoring("mig", factors="all").scores() == [Score("mig")]
    with pytest.raises(UserError, match="--factors names none"):
        Scoring("mig", factors=" , ").scores()
    with pytest.raises(UserError, match="--factors all,x: all stands alone"):
        Scoring("mig", factors="x,all").scores()


def test_a_run_is_scored_by_some_factors_and_again_by_all(command: Command, tmp_path: Path) -> None:
    words = ("run", "--methods", "truth", "--datasets", "toy", "--no-reference", "--out", tmp_path)

    def row(*more: str) -> dict[str, object]:
        found = command(*words, "--metrics", "mig", "--json", *more)
        assert found.code == 0, found.err
        (only,) = json.loads(found.out)
        return dict(only)

    some = row("--factors", "x,shape")
    assert some["protocol"] == "disentanglement_lib-1/rows=50000, factors shape,x"
    assert row()["protocol"] == "disentanglement_lib-1/rows=50000"
    assert row("--rows", "all")["protocol"] == "disentanglement_lib-1"
    (folder,) = tmp_path.glob("toy-truth-*")
    again = command("score", folder, "--metrics", "mig", "--factors", "shape,x")
    assert again.code == 0
    (stored,) = json.loads((folder / "scores.json").read_text())["rows"]
    assert stored["value"] == some["value"]
    assert list(stored["details"]["factor"]) == ["shape", "x"]


def test_codes_of_another_program_are_scored_by_some_factors(
    command: Command, tmp_path: Path
) -> None:
    np.save(tmp_path / "mine.npy", grid(96).astype(float))
    words = ("score", "--codes", tmp_path / "mine.npy", "--dataset", "toy", "--metrics", "mig,sap")
    found = command(*words, "--factors", "x", "--json", tmp_path / "found.json")
    assert found.code == 0, found.err
    scores = json.loads((tmp_path / "found.json").read_text())
    assert {row["protocol"].partition(", ")[2] for row in scores["mine"].values()} == {"factors x"}
    wrong = command(*words, "--factors", "hue")
    assert wrong.code == 2
    assert "unknown factor of toy 'hue'; known: all, distinct, shape, size, x, y" in wrong.err
