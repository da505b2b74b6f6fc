"""The studies of claims: that each gives what it says, what becomes of it, and that some hold."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.claims import disentanglement, gan_images, gan_theory, reproduce, vae_theory
from benchmark.claims.base import Expected, Lab, log
from benchmark.evaluation import factor_classifier
from benchmark.registry import CLAIMS, METHODS, UserError
from benchmark.training.loop import Diverged
from datasets import Dataset, Grid, Spec, Table
from methods.base import Method
from results.store import Folder

CPU = torch.device("cpu")
LONG = ("pix2pix-edit", "betavae-table")


@pytest.fixture
def small(dsprites: Dataset) -> Grid:
    """Return 384 images of dSprites, a grid of the same factors with fewer values."""
    sizes = (3, 2, 4, 4, 4)
    chosen = np.indices(sizes).reshape(5, -1).T * np.array([1, 5, 10, 10, 10])
    assert isinstance(dsprites, Grid)
    spec = Spec("dsprites", dsprites.shape, 2, dsprites.factor_names, sizes, "shape", grid=True)
    return Grid(spec, dsprites.packed[dsprites.index(chosen)])


@pytest.fixture
def digits() -> Table:
    """Return 400 images in the form of MNIST, each with a bar where its digit says."""
    label = np.arange(400)[:, None] % 10
    x = np.random.default_rng(0).integers(0, 80, (400, 28, 28), dtype=np.uint8)
    for image, digit in zip(x, label[:, 0], strict=True):
        image[:, 2 * digit + 2 : 2 * digit + 5] += 170
    spec = Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), "digit")
    return Table(spec, x.reshape(400, -1), label, np.arange(300), np.arange(300, 400))


@pytest.fixture
def lab(
    tmp_path: Path, small: Grid, digits: Table, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(factor_classifier, "STEPS", 60)
    return Lab(tmp_path / "runs", CPU, _loaded={"dsprites": small, "mnist": digits, "toy": toy})


@pytest.fixture
def hasty(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a lab where everything is trained for two steps, on few images."""
    train = Lab.train

    def two(self: Lab, method: str, dataset: str, seed: int, steps: int, **given: Any) -> Any:
        if method == "annealedvae":
            given["c_steps"] = 2
        return train(self, method, dataset, seed, 2, **given)

    monkeypatch.setattr(Lab, "train", two)
    for module, name, value in (
        (gan_theory, "STEPS", 2),
        (gan_theory, "BATCH", 64),
        (gan_theory, "SAMPLES", 500),
        (disentanglement, "IMAGES", 64),
        (disentanglement, "STEPS", 2),
        (vae_theory, "IMAGES", 32),
        (vae_theory, "LATE", 0),
        (gan_images, "TRAIN", 100),
        (gan_images, "TEST", 100),
        (gan_images, "EDITED", 8),
    ):
        monkeypatch.setattr(module, name, value)
    return lab


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
        for name in CLAIMS.names()
    ],
)
def test_a_study_gives_what_it_says(name: str, hasty: Lab) -> None:
    facts = CLAIMS[name].facts
    found = CLAIMS[name].value(hasty, 0)
    assert set(found) == set(facts["expected"])
    assert all(math.isfinite(value) for value in found.values())
    assert "https://" in CLAIMS[name].source
    assert facts["minutes"] > 0
    assert all(expected.low < expected.high for expected in facts["expected"].values())


def test_the_claims_that_there_should_be() -> None:
    assert set(CLAIMS.names()) >= {
        *("gan-optimum", "wgan-distance", "wgan-gp-norm", "cgan-label", "dcgan-features"),
        *("infogan-mi", "infogan-c1", "betavae-beta", "annealedvae-capacity", "factorvae-tc"),
        *("betatcvae-tc", "dcign-factors", "pix2pix-edit", "betavae-table"),
    }


@pytest.mark.slow
def test_a_claim_holds(tmp_path: Path) -> None:
    rows = reproduce.reproduce(["gan-optimum"], [0], Lab(tmp_path, CPU), tmp_path / "found.csv")
    assert set(rows["verdict"]) == {"holds"}


def test_what_is_trained_once_is_kept(lab: Lab) -> None:
    method, folder = lab.train("vae", "toy", 0, 100)
    written = folder.model().stat().st_mtime_ns
    again, same = lab.train("vae", "toy", 0, 100)
    assert (same.path, same.model().stat().st_mtime_ns) == (folder.path, written)
    for one, other in zip(method.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert log(folder)["loss_elbo"].iloc[-1] > 0


class TestOracle:
    def test_it_reads_what_it_has_learned(self, lab: Lab) -> None:
        oracle = lab.oracle("mnist")
        assert oracle.accuracy[0] > 0.9
        rows = np.arange(300, 400)
        x = torch.from_numpy(lab.data("mnist").images(rows)) / 255
        assert (oracle.read(x)[:, 0] == rows % 10).mean() == pytest.approx(oracle.accuracy[0])

    def test_it_is_trained_once(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        first = lab.oracle("toy")
        monkeypatch.setattr(factor_classifier, "_train", None)
        again = lab.oracle("toy")
        assert again.accuracy == first.accuracy
        assert len(first.accuracy) == 4
        x = lab.images("toy", lab.sample("toy", 20, 0))
        assert np.array_equal(first.read(x), again.read(x))

    def test_a_data_set_without_factors(self, lab: Lab) -> None:
        spec = Spec("faces", (3, 8, 8), 256, (), ())
        bare = Table(spec, np.zeros((4, 192), np.uint8), np.zeros((4, 0), int), *[np.arange(4)] * 2)
        with pytest.raises(UserError, match="faces has no factors"):
            factor_classifier.trained_classifier(bare, CPU)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a claim of two quantities for the time of a test."""
    CLAIMS.names()
    entries = dict(CLAIMS._entries)
    monkeypatch.setattr(CLAIMS, "_entries", entries)
    expected = {"half": Expected("0.5", 0.4, 0.6), "seed": Expected("above 5", 5)}

    def made(lab: Lab, seed: int) -> dict[str, float]:
        return {"half": 0.5, "seed": seed}

    CLAIMS.register("made", source="https://x", says="x", minutes=1, expected=expected)(made)
    return "made"


class TestTable:
    def test_a_verdict_is_of_the_mean(self, study: str, lab: Lab, tmp_path: Path) -> None:
        to = tmp_path / "found.csv"
        half, seed = reproduce.reproduce([study], [1, 2, 9], lab, to).to_records(index=False)
        assert (half.verdict, seed.verdict) == ("holds", "does not hold")
        assert (seed.ours, seed.values, seed.seeds) == (4.0, "1 2 9", "1 2 9")
        low, high = map(float, seed.interval.split(" to "))
        assert low < 4 < high
        assert reproduce.stored(to)["quantity"].tolist() == ["half", "seed"]

    def test_what_is_not_a_number_does_not_hold(self) -> None:
        assert Expected("x").verdict(math.nan) == "does not hold"

    def test_a_claim_takes_the_place_of_its_older_rows(
        self, study: str, lab: Lab, tmp_path: Path
    ) -> None:
        to = tmp_path / "found.csv"
        for seeds in ([1], [7]):
            reproduce.reproduce([study], seeds, lab, to)
        assert reproduce.stored(to)["values"].tolist() == ["0.5", "7"]

    def test_what_diverges_does_not_hold(
        self, study: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def diverge(*_: object) -> Any:
            raise Diverged(7, "loss is nan")

        entry = replace(CLAIMS[study], value=diverge)
        monkeypatch.setitem(CLAIMS._entries, study, entry)
        rows = reproduce.reproduce([study], [0], lab, tmp_path / "found.csv")
        assert rows["verdict"].tolist() == ["does not hold"] * 2

    def test_a_folder_is_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="cannot read"):
            reproduce.stored(tmp_path)

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "my notes\n"])
    def test_another_file_is_left_alone(self, tmp_path: Path, text: str) -> None:
        mine = tmp_path / "mine.csv"
        mine.write_text(text)
        with pytest.raises(UserError, match=r"mine\.csv is not a table of reproduced claims"):
            reproduce.stored(mine)


def test_a_folder_of_a_claim_is_a_run_folder(lab: Lab) -> None:
    method, folder = lab.train("pca", "toy", 0, 0)
    assert isinstance(method, Method)
    assert isinstance(folder, Folder)
    assert folder.config["run"]["method"] == "pca"
    assert METHODS["pca"].value.sees == folder.config["sees"]
