"""`python -m benchmark score`: runs scored again, and codes of other programs."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import brought, score
from benchmark.registry import UserError
from datasets import Dataset
from tests.command import Command

Values = dict[str, dict[str, dict[str, Any]]]


def test_a_run_is_scored_later_without_its_model(command: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = ("--methods", "pca", "--datasets", "toy", "--no-reference")
    assert command("run", *words, "--metrics", "mig", "--out", runs).code == 0
    (folder,) = [path for path in runs.iterdir() if path.name.startswith("toy-")]
    for model in folder.glob("*.pt"):
        model.unlink()
    found = command("score", folder, "--metrics", "betavae,mig", "--json", tmp_path / "more.json")
    assert found.code == 0
    more: Values = json.loads((tmp_path / "more.json").read_text())
    rows = json.loads(command("table", "--out", runs, "--json").out)
    assert {row["metric"]: row["value"] for row in rows} == {
        name: row["value"] for name, row in more[folder.name].items()
    }
    both = tmp_path / "both"
    assert command("run", *words, "--metrics", "betavae,mig", "--out", both).code == 0
    again = json.loads(command("table", "--out", both, "--json").out)
    assert {row["metric"]: row["value"] for row in again} == {
        row["metric"]: row["value"] for row in rows
    }


def test_codes_of_another_program_are_scored(
    command: Command, tmp_path: Path, toy: Dataset
) -> None:
    np.save(tmp_path / "mine.npy", toy.factors(np.arange(96)) * 1.5)
    words = ("--dataset", "toy", "--metrics", "mig,betavae,c1_accuracy")
    found = command(
        "score", "--codes", tmp_path / "mine.npy", *words, "--json", tmp_path / "o.json"
    )
    assert found.code == 0
    scores: Values = json.loads((tmp_path / "o.json").read_text())
    assert list(scores) == ["mine", "random (floor)", "truth (ceiling)"]
    assert scores["mine"]["mig"]["value"] == scores["truth (ceiling)"]["mig"]["value"] > 0.99
    assert scores["random (floor)"]["mig"]["value"] < 0.2
    assert scores["mine"]["mig"]["protocol"] == "disentanglement_lib-1"
    assert scores["mine"]["mig"]["seconds"] > 0
    assert "mine: c1_accuracy: needs a categorical code" in found.err


def test_an_index_may_name_the_first_images(tmp_path: Path, toy: Dataset) -> None:
    np.savez(tmp_path / "some.npz", codes=np.eye(50), index=np.arange(50))
    assert brought.read_codes(tmp_path / "some.npz", toy).rows.tolist() == list(range(50))


def test_a_run_that_lost_its_codes_keeps_its_scores(command: Command, tmp_path: Path) -> None:
    words = ("--methods", "pca", "--datasets", "toy", "--no-reference", "--metrics", "mig")
    assert command("run", *words, "--out", tmp_path).code == 0
    (folder,) = tmp_path.glob("toy-pca-*")
    before = (folder / "scores.json").read_text()
    (folder / "codes.h5").unlink()
    found = command("score", folder, "--metrics", "mig")
    assert found.code == 2
    assert "has lost its codes.h5" in found.err
    assert (folder / "scores.json").read_text() == before
    (folder / "scores.json").unlink()
    assert command("run", *words, "--out", tmp_path).code == 0
    assert (folder / "codes.h5").is_file()


def test_an_index_says_which_images_codes_are_of(tmp_path: Path, toy: Dataset) -> None:
    rows = np.random.default_rng(0).permutation(96)[:60]
    np.savez(tmp_path / "some.npz", codes=toy.factors(rows), index=rows)
    found = brought.read_codes(tmp_path / "some.npz", toy)
    assert (found.rows == rows).all()
    assert (score.encoded(toy, found).sheet["factors"] == found.codes).all()


class Trap:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled(tmp_path: Path, toy: Dataset) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "b.npz", codes=trap, allow_pickle=True)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(UserError, match="cannot read codes from"):
            brought.read_codes(tmp_path / name, toy)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"codes": np.zeros((95, 2))}, "95 lines and toy 96 images"),
        ({"codes": np.zeros(96)}, "no table `codes`"),
        ({"codes": np.zeros((96, 0))}, "has no codes"),
        ({"codes": np.diag([1.0] * 95 + [np.nan])}, "not finite, first in row 95, column 95"),
        ({"codes": np.full((96, 2), "a")}, "no table `codes`"),
        ({"z": np.zeros((96, 2))}, "no table `codes`"),
        ({"codes": np.zeros((3, 2)), "index": np.array([0, 1, 96])}, "not within the 96 images"),
        ({"codes": np.zeros((3, 2)), "index": np.array([0, -1, 5])}, "not within the 96 images"),
        ({"codes": np.zeros((3, 2)), "index": np.array([0, 1])}, "not 3 integers"),
        ({"codes": np.zeros((3, 2)), "index": np.array([0, 1, 1])}, "more than once"),
        ({"codes": np.zeros((3, 2)), "index": np.array([0.0, 1, 2])}, "not 3 integers"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path,
    toy: Dataset,
    arrays: dict[str, Any],
    said: str,
) -> None:
    np.savez(tmp_path / "codes.npz", **arrays)
    with pytest.raises(UserError, match=said):
        brought.read_codes(tmp_path / "codes.npz", toy)


@pytest.mark.parametrize("content", [b"", b"no numbers", b"\x93NUMPY\x01", b"PK\x03\x04no"])
def test_a_damaged_file_of_codes_is_named(tmp_path: Path, toy: Dataset, content: bytes) -> None:
    (tmp_path / "codes.npy").write_bytes(content)
    with pytest.raises(UserError, match="cannot read codes from"):
        brought.read_codes(tmp_path / "codes.npy", toy)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs either folders of runs or --codes"),
        (("nowhere",), "there is no folder nowhere"),
        (("--codes", "nowhere.npy", "--dataset", "toy"), "cannot read codes from nowhere.npy"),
        (("--codes", "nowhere.npy", "--dataset", "toys"), "unknown data set 'toys'"),
        (("nowhere", "--metrics", "mug"), "unknown metric 'mug'"),
    ],
)
def test_a_mistake_is_one_line(command: Command, words: tuple[str, ...], said: str) -> None:
    found = command("score", *words)
    assert found.code == 2
    (line,) = found.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
