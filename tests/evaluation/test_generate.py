"""The generator's side: codes from the prior, factors that a classifier reads in their images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.config.score import Score
from benchmark.evaluation import factor_classifier
from benchmark.evaluation import generate as sides
from benchmark.evaluation.encode import reconstruct
from benchmark.evaluation.factor_classifier import FactorClassifier, trained_classifier
from benchmark.registry import METHODS
from benchmark.training.batches import Batches
from datasets import Dataset
from methods.base import Batch, Code, Method, normal_codes
from results.store import Generated
from tests.command import Command

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "GENERATED", 600)
    monkeypatch.setattr(factor_classifier, "STEPS", 100)


@pytest.fixture
def classifier(toy: Dataset) -> FactorClassifier:
    return trained_classifier(toy, CPU)


class Drawing(Method):
    """A perfect generator of toy images: its codes, up to noise that it ignores, are factors."""

    def __init__(self, toy: Dataset) -> None:
        super().__init__()
        self.toy = toy
        sizes = zip(toy.factor_names, toy.factor_sizes, strict=True)
        codes = tuple(Code(name, "categorical", size) for name, size in sizes)
        self.codes = (*codes, Code("n1", "noise"))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        table = self.toy.factors(np.arange(len(self.toy)))
        match = (z[:, None, :-1].numpy() == table[None]).all(2).argmax(1)
        return torch.from_numpy(self.toy.images(match)).float() / (self.toy.levels - 1)


def made(method: Method, toy: Dataset, classifier: FactorClassifier) -> Generated:
    torch.manual_seed(0)
    return sides.generate(method, Batches(toy, CPU), classifier)


def test_a_perfect_generators_codes_are_what_is_read(
    toy: Dataset, classifier: FactorClassifier
) -> None:
    found = made(Drawing(toy), toy, classifier)
    assert found.codes.shape == found.factors.shape == (600, len(toy.factor_sizes))
    right = (found.codes == found.factors).mean(0)
    np.testing.assert_allclose(right, classifier.accuracy, atol=0.1)
    assert found.accuracy.tolist() == list(classifier.accuracy)
    assert found.names == list(toy.factor_names)


def test_the_references_are_of_real_images(toy: Dataset, classifier: FactorClassifier) -> None:
    truth = made(METHODS["truth"].value(toy.spec), toy, classifier)
    np.testing.assert_allclose(
        (truth.codes == truth.factors).mean(0), classifier.accuracy, atol=0.1
    )
    assert made(METHODS["random"].value(toy.spec), toy, classifier).codes.std() > 0.5


def test_who_has_a_generators_side() -> None:
    names = ("gan", "vae", "truth", "random", "pca", "pixels", "untrained")
    without = [name for name in names if not sides.makes_images(METHODS[name].value)]
    assert without == ["pca", "pixels"]


class Blur(Method):
    """Encodes nothing and decodes grey."""

    codes = normal_codes(2)

    def __init__(self, toy: Dataset) -> None:
        super().__init__()
        self.shape = toy.shape

    def encode(self, batch: Batch) -> torch.Tensor:
        return torch.zeros(len(batch.x), 2)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full((len(z), *self.shape), 0.25)


def test_reconstruction_errors_are_of_the_images(toy: Dataset) -> None:
    errors = reconstruct(Blur(toy), Blur(toy), Batches(toy, CPU))
    x = toy.images(np.arange(len(toy))) / (toy.levels - 1)
    np.testing.assert_allclose(errors, ((x - 0.25) ** 2).mean((1, 2, 3)), rtol=1e-5)


RUN = ("--datasets", "toy", "--steps", "5", "--metrics", "mig,reconstruction,mig_chen")


def test_rows_of_a_side() -> None:
    mig = Score("mig", "generator")
    assert mig.row_names == ("mig@generator",)
    assert Score("infomec", "generator").row_names[0] == "infomec_infom@generator"
    assert mig.protocol == Score("mig").protocol


@pytest.mark.slow
@pytest.mark.usefixtures("classifier")
def test_both_sides_in_one_run(command: Command, tmp_path: Path) -> None:
    words = ("run", "--methods", "vae,pca", *RUN, "--side", "both", "--out", tmp_path)
    found = command(*words, "--json")
    assert found.code == 0
    rows = {(row["method"], row["metric"]): row for row in json.loads(found.out)}
    assert rows["truth", "mig@generator"]["value"] > rows["random", "mig@generator"]["value"]
    assert rows["pca", "mig@generator"]["reason"].startswith("needs images of the method")
    assert rows["truth", "mig"]["value"] == pytest.approx(1, abs=1e-3)
    assert 0 < rows["vae", "reconstruction"]["value"] < 0.5
    assert rows["vae", "mig_chen"]["value"] >= 0
    assert rows["pca", "mig_chen"]["reason"].startswith("needs a posterior of the codes")
    assert rows["vae", "reconstruction@generator"]["reason"].startswith("needs a decoder")
    (folder,) = tmp_path.glob("toy-vae-*")
    stored = json.loads((folder / "scores.json").read_text())["rows"]
    oracle_of = {row["metric"]: row["oracle"] for row in stored}
    assert all(0 < share <= 1 for share in oracle_of["mig@generator"].values())
    assert oracle_of["mig"] == {}
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert command(*words).code == 0
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = command("score", folder, "--side", "generator", "--metrics", "mig,sap")
    assert again.code == 0
    assert "sap@generator" in again.out


@pytest.mark.usefixtures("classifier")
def test_the_generators_side_may_be_asked_for_later(command: Command, tmp_path: Path) -> None:
    words = ("run", "--methods", "vae", *RUN, "--no-reference", "--out", tmp_path)
    assert command(*words).code == 0
    (folder,) = tmp_path.glob("toy-vae-*")
    refused = command("score", folder, "--side", "generator")
    assert refused.code == 2
    assert "--side generator" in refused.err
    model = (folder / "model.pt").stat().st_mtime_ns
    assert command(*words, "--side", "generator").code == 0
    assert (folder / "generated.h5").exists()
    assert (folder / "model.pt").stat().st_mtime_ns == model


def test_sides_are_known(command: Command, tmp_path: Path) -> None:
    refused = command("run", "--methods", "vae", "--side", "decoder", "--out", tmp_path / "runs")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "known: both, encoder, generator" in refused.err
    codes = tmp_path / "a.npy"
    np.save(codes, np.zeros((96, 2)))
    words = ("--codes", codes, "--dataset", "toy", "--side", "generator")
    assert "has no generator" in command("score", *words).err


def test_details_by_factor_and_by_code(command: Command, tmp_path: Path, toy: Dataset) -> None:
    codes = toy.factors(np.arange(96))[:, ::-1].astype(np.float32)
    np.savez(tmp_path / "mine.npz", codes=codes, std=np.full(codes.shape, 0.05))
    out = tmp_path / "out.json"
    words = ("--dataset", "toy", "--metrics", "mig,modularity,mig_chen,betavae")
    assert command("score", "--codes", tmp_path / "mine.npz", *words, "--json", out).code == 0
    scores = json.loads(out.read_text())["mine"]
    names = list(toy.factor_names)
    for metric in ("mig", "mig_chen", "betavae"):
        details = scores[metric]["details"]["factor"]
        assert list(details) == names
        mean = np.mean(list(details.values()))
        assert mean == pytest.approx(scores[metric]["value"], abs=0.02)
    assert list(scores["modularity"]["details"]["code"]) == ["z1", "z2", "z3", "z4"]
