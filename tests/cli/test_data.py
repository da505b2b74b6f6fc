"""`python -m benchmark data`, in real processes, and what it draws."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from benchmark.comparison import plan, run
from benchmark.config.grid import Grid as Runs
from benchmark.config.score import Scoring
from benchmark.config.study import Study
from benchmark.evaluation import contact_sheet
from benchmark.registry import DATASETS
from datasets import Dataset, Grid, Spec, Table, load
from tests.command import Command
from tests.speed import packing

MNIST = ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873")


def test_every_data_set_is_listed_with_what_it_takes(command: Command, tmp_path: Path) -> None:
    found = command("data", "list", COLUMNS="400", BENCHMARK_DATA=str(tmp_path))
    assert found.code == 0
    lines = {line.split()[0]: line for line in found.out.splitlines() if line.strip()}
    for name in DATASETS.names():
        facts = DATASETS[name].facts
        assert f"{facts['images']:,}" in lines[name]
        assert facts["licence"] in lines[name]
        assert lines[name].split()[-1] == ("-" if facts.get("files") else "draw")
    assert "floor_hue 10, wall_hue 10" in lines["shapes3d"]
    assert " 5,898 " in lines["shapes3d"]


@pytest.mark.slow
def test_what_was_fetched_is_packed_and_whole(command: Command, tmp_path: Path) -> None:
    where = {"BENCHMARK_DATA": str(tmp_path)}
    assert command("data", "path", **where).out.strip() == str(tmp_path)
    found = command("data", "get", "dsprites", "toy", **where)
    assert found.code == 0
    assert "dsprites: 737,280 images" in found.out
    checked = command("data", "check", "dsprites", **where)
    assert checked.code == 0
    assert f"{tmp_path}/dsprites.h5: whole, packed 20" in checked.out
    line = next(
        line for line in command("data", "list", **where).out.splitlines() if "  dsprites" in line
    )
    assert line.split()[-1] == "packed"


@pytest.fixture
def drawn(dsprites: Dataset, data_folder: Path, tmp_path: Path) -> Path:
    """A copy of dSprites' packed file, to be damaged."""
    return Path(shutil.copy(data_folder / "dsprites.h5", tmp_path))


def test_a_damaged_packed_file_is_found(command: Command, drawn: Path, tmp_path: Path) -> None:
    path = drawn
    with path.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\xff" * 64)
    found = command("data", "check", "dsprites", BENCHMARK_DATA=str(tmp_path))
    assert found.code == 1
    assert f"{path}: damaged" in found.out


def test_a_file_of_several_data_sets_is_verified_once(
    command: Command, drawn: Path, tmp_path: Path
) -> None:
    found = command("data", "check", BENCHMARK_DATA=str(tmp_path))
    assert found.out.count(f"{drawn}: whole") == 1


def test_a_packed_file_of_another_version_is_told(
    command: Command, drawn: Path, tmp_path: Path
) -> None:
    with h5py.File(drawn, "r+") as file:
        file.attrs["format"] = 1
    found = command("data", "check", "dsprites", BENCHMARK_DATA=str(tmp_path))
    assert found.code == 1
    assert "dsprites.h5: of another version" in found.out


def test_a_damaged_original_is_found(command: Command, tmp_path: Path) -> None:
    place = tmp_path / "MNIST" / "raw"
    place.mkdir(parents=True)
    (place / MNIST[0]).write_bytes(b"not what was published")
    for names in (["mnist"], []):
        found = command("data", "check", *names, BENCHMARK_DATA=str(tmp_path))
        assert found.code == 1
        assert all(word in found.out for word in (str(place / MNIST[0]), MNIST[1]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check",), "there is no file of a data set in"),
        (("check", "chairs"), "nothing of chairs is here"),
        (("check", "chair"), "unknown data set 'chair'"),
        (("get", "nothing"), "unknown data set 'nothing'"),
        (("show", "nothing"), "unknown data set 'nothing'"),
        (("about", "nothing"), "unknown data set 'nothing'"),
        (("nothing",), "Known: about, check, get, list, path, show"),
        (("get", "faces3d"), "faces3d needs basel_face_renders.pth"),
        (("show", "toy", "--to", "toy.foo"), "toy.foo: a picture's name ends in .png, .pdf, .svg"),
        (("get", "scream_dsprites"), "scream_dsprites needs a picture"),
    ],
)
def test_a_mistake_is_one_line(
    command: Command, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    found = command("data", *words, BENCHMARK_DATA=str(tmp_path))
    assert found.code == 2
    (line,) = [line for line in found.err.splitlines() if "Drawing" not in line]
    assert line.startswith("error: ")
    assert said in line


def test_a_user_without_a_network_is_told_all_he_needs(command: Command, tmp_path: Path) -> None:
    found = command("data", "about", "mnist", BENCHMARK_DATA=str(tmp_path))
    assert found.code == 0
    assert all(word in found.out for word in (*MNIST, "https://", "CC BY-SA", str(tmp_path)))
    assert "metric betavae: needs at least 2 factors" in found.out
    assert "method cgan: needs a label" in command("data", "about", "chairs").out


def test_run_says_before_it_trains_which_metrics_do_not_apply(
    toy: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bare = Grid(replace(toy.spec, label=None), toy.packed)
    entry = replace(DATASETS["toy"], value=lambda folder: bare)
    monkeypatch.setitem(DATASETS._entries, "toy", entry)
    asked = plan(Study([Runs(["random"], ["toy"])]), Scoring("c1_accuracy,mig"), "cpu")
    assert run(asked, tmp_path / "runs", None) == 0
    said = capsys.readouterr().err.splitlines()
    why = "it needs a label, and the data set has none"
    assert said[0] == f"toy is not scored by c1_accuracy: {why}"
    assert not any("scored by mig" in line for line in said)


@pytest.mark.parametrize(
    "name",
    [
        *("toy", "dsprites", "color_dsprites", "noisy_dsprites"),
        pytest.param("faces_drawn", marks=pytest.mark.slow),
    ],
)
def test_registered_facts_are_those_of_the_data_set(name: str) -> None:
    dataset, facts = load(name), DATASETS[name].facts
    assert facts["spec"] == dataset.spec
    assert facts["images"] == len(dataset)


def test_registered_facts_agree() -> None:
    for name in DATASETS.names():
        spec = DATASETS[name].facts["spec"]
        assert spec.name == name
        assert not spec.grid or np.prod(spec.factor_sizes) == DATASETS[name].facts["images"]


def test_a_contact_sheet_has_a_row_per_factor(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "toy.png"
    shown = command("data", "show", "toy", "--to", path)
    assert (shown.code, shown.err) == (0, f"wrote {path}\n")
    with Image.open(path) as image:
        assert image.size[0] > 500


def test_in_a_row_only_its_factor_varies(toy: Dataset) -> None:
    found = contact_sheet.rows_by_factor(toy, np.random.default_rng(0))
    assert found.names == ["shape", "size", "x", "y"]
    whole = {
        toy.images(np.array([row])).tobytes(): toy.factors(np.array([row]))[0] for row in range(96)
    }
    for k, (strip, values) in enumerate(zip(found.strips, found.values, strict=True)):
        there = np.isfinite(values)
        factors = np.array([whole[(image // 255).tobytes()] for image in strip[there]])
        assert (factors[:, k] == values[there]).all()
        assert (np.ptp(np.delete(factors, k, 1), axis=0) == 0).all()


def test_a_row_of_a_labelled_set_shows_each_label() -> None:
    spec = Spec("labelled", (1, 2, 2), 256, ("label",), (3,), "label")
    table = np.arange(30)[:, None] % 3
    packed = np.repeat(table.astype(np.uint8) * 40, 4, axis=1)
    dataset = Table(spec, packed, table, np.arange(20), np.arange(20, 30))
    found = contact_sheet.rows_by_factor(dataset, np.random.default_rng(0))
    assert (found.strips[0, :, 0, 0, 0] == 40 * found.values[0]).all()
    assert set(found.values[0]) == {0, 1, 2}


def test_packing_and_reading_are_measured() -> None:
    found = list(packing.measure(130, 70))
    assert [one.unit for one in found] == ["images/s", "MB", "images/s", *["ms"] * 6]
    assert all(one.value > 0 for one in found)


def test_what_can_be_had_is_had_though_another_cannot(command: Command, tmp_path: Path) -> None:
    found = command("data", "get", "faces3d", "toy", BENCHMARK_DATA=str(tmp_path))
    assert found.code == 2
    assert "toy: 96 images" in found.out
    assert "faces3d needs" in found.err


def test_names_of_data_sets_are_whole_in_a_narrow_list(command: Command) -> None:
    out = command("data", "list", COLUMNS="60").out
    assert all(name in out for name in DATASETS.names())
