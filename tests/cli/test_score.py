"""`python -m benchmark score`: runs scored again, and codes of other programs."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.evaluation import external_codes, score
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
    assert external_codes.read_codes(tmp_path / "some.npz", lambda: toy)[1].rows.tolist() == list(
        range(50)
    )


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
    _, found = external_codes.read_codes(tmp_path / "some.npz", lambda: toy)
    assert (found.rows == rows).all()
    assert (score.encoded(toy, found).arrays["factors"] == found.codes).all()


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
            external_codes.read_codes(tmp_path / name, lambda: toy)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"codes": np.zeros((95, 2))}, "95 lines and toy 96 images"),
        ({"codes": np.zeros(96)}, r"codes.npz: codes are a table .* float64 of shape \(96,\)"),
        ({"codes": np.zeros((96, 0))}, r"neither 0; these are float64 of shape \(96, 0\)"),
        ({"codes": np.diag([1.0] * 95 + [np.nan])}, "not finite: 1 .* row 95, column 95"),
        ({"codes": np.full((96, 2), "a")}, "codes are a table .* of numbers"),
        ({"z": np.zeros((96, 2))}, "no table `codes`; it has z"),
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
        external_codes.read_codes(tmp_path / "codes.npz", lambda: toy)


@pytest.mark.parametrize("name", ["codes.npy", "codes.pt"])
@pytest.mark.parametrize("content", [b"", b"no numbers", b"\x93NUMPY\x01", b"PK\x03\x04no"])
def test_a_damaged_file_of_codes_is_named(
    tmp_path: Path, toy: Dataset, content: bytes, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot read codes from"):
        external_codes.read_codes(tmp_path / name, lambda: toy)


TRUTH = np.stack(np.unravel_index(np.arange(96), (3, 2, 4, 4)), 1)


def test_other_arrays_of_a_file_are_not_touched(tmp_path: Path, toy: Dataset) -> None:
    trap = np.array(Trap(tmp_path / "sprung"), dtype=object)
    np.savez(tmp_path / "m.npz", codes=TRUTH.astype(np.float32), metadata=trap)
    assert (external_codes.read_codes(tmp_path / "m.npz", lambda: toy)[1].codes == TRUTH).all()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_tensors_are_read(tmp_path: Path, toy: Dataset, kind: torch.dtype) -> None:
    z = torch.from_numpy(TRUTH).to(kind)
    index = torch.arange(96).flip(0)
    for content, rows in ((z, range(96)), ({"codes": z, "index": index, "beta": 4}, index)):
        torch.save(content, tmp_path / "z.pt")
        _, found = external_codes.read_codes(tmp_path / "z.pt", lambda: toy)
        assert (found.codes == TRUTH).all()
        assert found.rows.tolist() == list(rows)


def test_a_pickle_of_anything_else_is_refused(tmp_path: Path, toy: Dataset) -> None:
    for content in (Trap(tmp_path / "sprung"), [torch.zeros(3)], {"codes": [1]}):
        torch.save(content, tmp_path / "z.pt")
        with pytest.raises(UserError, match=r"z.pt: it is no tensor, or dictionary with tensors"):
            external_codes.read_codes(tmp_path / "z.pt", lambda: toy)
    torch.save({"z": torch.zeros(3)}, tmp_path / "z.pt")
    with pytest.raises(UserError, match="no table `codes`; it has z"):
        external_codes.read_codes(tmp_path / "z.pt", lambda: toy)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("codes", [(TRUTH + 10).astype(np.float16), TRUTH > 1])
def test_codes_of_unusual_types_are_scored(
    command: Command, tmp_path: Path, codes: NDArray[Any]
) -> None:
    np.save(tmp_path / "h.npy", codes)
    words = ("--dataset", "toy", "--no-reference", "--metrics", "betavae,factorvae")
    found = command("score", "--codes", tmp_path / "h.npy", *words)
    assert found.code == 0
    assert found.out.split()[-3:] == [
        "1.000",
        "factorvae",
        "0.752" if codes.max() == 1 else "1.000",
    ]


def test_files_of_codes_side_by_side(command: Command, tmp_path: Path) -> None:
    for folder, noise in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        noisy = TRUTH + noise * np.random.default_rng(0).standard_normal(TRUTH.shape)
        np.save(tmp_path / folder / "z.npy", noisy)
    np.savez(tmp_path / "few.npz", codes=TRUTH[:10], index=np.arange(10))
    one, other = (tmp_path / folder / "z.npy" for folder in "ab")
    words = ("--dataset", "toy", "--metrics", "mig", "--json", tmp_path / "o.json")
    assert command("score", "--codes", one, "--codes", other, *words).code == 0
    scores: Values = json.loads((tmp_path / "o.json").read_text())
    assert list(scores) == [str(one), str(other), "random (floor)", "truth (ceiling)"]
    assert scores[str(one)]["mig"]["value"] > scores[str(other)]["mig"]["value"]
    pair = ("--codes", one, "--codes", tmp_path / "few.npz")
    found = command("score", *pair, *words)
    assert found.code == 2
    assert "of different images" in found.err
    assert command("score", *pair, *words, "--no-reference").code == 0
    assert list(json.loads((tmp_path / "o.json").read_text())) == ["z", "few"]


def test_few_rows_are_said(command: Command, tmp_path: Path) -> None:
    words = ("--no-reference", "--metrics", "mig")
    for rows in (10, 999, 1000):
        factors = np.random.default_rng(0).integers(3, size=(rows, 2))
        np.savez(tmp_path / "z.npz", codes=factors, factors=factors)
        found = command("score", "--codes", tmp_path / "z.npz", *words)
        assert found.code == 0
        assert len(found.err.splitlines()) == (rows < 1000)
        assert rows == 1000 or f"has {rows} rows of codes" in found.err


def test_codes_with_factors_need_no_data_set(command: Command, tmp_path: Path) -> None:
    codes = TRUTH + np.random.default_rng(0).standard_normal(TRUTH.shape)
    np.savez(tmp_path / "own.npz", codes=codes, factors=TRUTH)
    np.save(tmp_path / "theirs.npy", codes)
    found = []
    path = tmp_path / "o.json"
    words = ("--metrics", "betavae,mig,sap,c1_accuracy", "--json", path)
    for name, dataset in (("own.npz", ()), ("theirs.npy", ("--dataset", "toy"))):
        empty = {"BENCHMARK_DATA": str(tmp_path / "none")}
        assert command("score", "--codes", tmp_path / name, *dataset, *words, **empty).code == 0
        rows = json.loads(path.read_text()).values()
        found.append([[value["value"] for value in row.values()] for row in rows])
    assert found[0] == found[1]
    assert not (tmp_path / "none").exists()
    some = ("--metrics", "mig", "--factors", "f1,f3", "--json", path)
    assert command("score", "--codes", tmp_path / "own.npz", *some).code == 0
    assert list(json.loads(path.read_text())["own"]["mig"]["details"]["factor"]) == ["f1", "f3"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"factors": TRUTH + 0.25}, r"'f1' must be integers .*; found 0.25, in 0.25..2.25"),
        ({"factors": TRUTH - 1}, r"'f1' must be 0..1; found -1..1"),
        ({"factors": np.where(TRUTH > 1, np.nan, TRUTH)}, "'f1' must be integers .*; found nan"),
        ({"factors": TRUTH[:50]}, r"must be integers \(96, K\).*found int64 \(50, 4\)"),
        ({"factors": TRUTH.astype("U1")}, r"must be integers \(96, K\).*found <U1 \(96, 4\)"),
        ({"factors": TRUTH, "index": np.arange(96)}, "and `index` too"),
    ],
)
def test_factors_that_do_not_fit_are_named(
    command: Command, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    np.savez(tmp_path / "c.npz", codes=TRUTH, **more)
    found = command("score", "--codes", tmp_path / "c.npz")
    assert found.code == 2
    (line,) = found.err.splitlines()
    assert re.search(said, line)
    assert "c.npz" in line


def test_an_unknown_data_set_of_codes_is_named(command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", TRUTH)
    found = command("score", "--codes", tmp_path / "z.npy", "--dataset", "toys")
    assert found.code == 2
    assert "unknown data set 'toys'" in found.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs either folders of runs or --codes"),
        (("nowhere",), "there is no folder nowhere"),
        (("--codes", "nowhere.npy", "--dataset", "toy"), "cannot read codes from nowhere.npy"),
        (("--codes", "nowhere.npy", "--metrics", "mug"), "unknown metric 'mug'"),
        (("nowhere", "--metrics", "mug"), "unknown metric 'mug'"),
    ],
)
def test_a_mistake_is_one_line(command: Command, words: tuple[str, ...], said: str) -> None:
    found = command("score", *words)
    assert found.code == 2
    (line,) = found.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
