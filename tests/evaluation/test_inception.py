"""Inception's features: a network with random weights in the file of the published ones."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation import inception
from benchmark.evaluation.score import again, missing
from benchmark.registry import METHODS, UserError
from benchmark.runner import Context, execute
from datasets import Dataset
from results.store import Folder

CPU = torch.device("cpu")
IMAGES = 4


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """torch-fidelity's, as it comes with the published weights, but for the weights."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *args, **given: {})
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *args: None)
        made: nn.Module = fidelity.FeatureExtractorInceptionV3("inception", ["2048"])
    return made.eval()


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(inception, "IMAGES", IMAGES)


def put(network: nn.Module, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Save the weights there, under the name that their checksum gives them."""
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / "weights")
    digest = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "WEIGHTS", f"weights-inception-{digest[:8]}.pth")
    return (folder / "weights").rename(folder / inception.WEIGHTS)


def test_the_weights_are_torch_fidelitys() -> None:
    assert fidelity.URL_INCEPTION_V3 == inception.URL
    assert Path(inception.URL).name == inception.WEIGHTS


@pytest.mark.parametrize("place", ["cache/inception", "cache", "torch/hub/checkpoints"])
def test_weights_are_found(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    assert inception.weights() is None
    assert str(tmp_path / "cache" / "inception" / inception.WEIGHTS) in inception.lacking()
    path = put(nn.Linear(2, 2), monkeypatch, tmp_path / place)
    assert inception.weights() == path


def test_weights_of_pytorch_fid_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = put(nn.Linear(2, 2), monkeypatch, tmp_path / "cache")
    other = path.rename(path.with_name(path.name.replace("weights-", "pt_")))
    assert inception.weights() == other


def test_features_are_those_of_the_network(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(network, monkeypatch, tmp_path / "cache" / "inception")
    x = torch.randint(256, (2, 1, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        (ours,) = inception._network(CPU)(inception._bytes(x / 255))
        (theirs,) = network(x.expand(-1, 3, -1, -1))
    assert ours.shape == (2, 2048)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours[0], ours[1])


def test_a_pickle_of_anything_else_is_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither here nor by torch-fidelity, which would unpickle what it is given."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "touched",)

    network = nn.Linear(2, 2)
    monkeypatch.setattr(network, "state_dict", Evil)
    path = put(network, monkeypatch, tmp_path / "cache")
    with pytest.raises(UserError, match=f"cannot read Inception's weights in {path}"):
        inception._network(CPU)
    assert not (tmp_path / "touched").exists()


def test_damaged_weights_are_named(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = put(nn.Linear(2, 2), monkeypatch, tmp_path / "cache")
    with pytest.raises(UserError, match=f"cannot read Inception's weights in {path}"):
        inception._network(CPU)
    path.write_bytes(b"half of it")
    with pytest.raises(UserError, match=f"{path} is damaged: its SHA-256 begins with"):
        inception._network(CPU)


@pytest.mark.slow
def test_generators_are_compared_with_real_images_once_the_weights_are_there(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy: Dataset
) -> None:
    metrics, context = [Score("fid"), Score("kid")], Context(tmp_path / "runs", CPU)
    runs = [Run("toy", name, 0, 0 if name != "vae" else 2) for name in ("vae", "truth", "pca")]

    def rows(*runs: Run) -> dict[str, dict[str, dict[str, Any]]]:
        folders = {run.method: execute(run, toy, metrics, context) for run in runs}
        scores = {name: folder.scores or {} for name, folder in folders.items()}
        return {name: {r["metric"]: r for r in found["rows"]} for name, found in scores.items()}

    before = rows(*runs)
    assert before["vae"]["fid"]["reason"] == before["truth"]["kid"]["reason"] == inception.lacking()
    assert before["pca"]["fid"]["reason"] == "needs images of the method's prior, and it makes none"
    put(network, monkeypatch, tmp_path / "cache" / "inception")
    assert [missing(run.folder(context.out), metrics) for run in runs] == [metrics, metrics, []]
    after = rows(runs[0], runs[2])
    assert after["vae"]["fid"]["value"] > 0
    assert after["vae"]["fid"]["images"] == IMAGES
    assert after["pca"] == before["pca"]
    assert not missing(runs[0].folder(context.out), metrics)
    (folder,) = context.out.glob("toy-vae-*")
    (folder / "model.pt").unlink()
    values = {row["metric"]: row["value"] for row in again(Folder(folder), metrics, None)}
    assert values == {name: row["value"] for name, row in after["vae"].items()}


def test_a_run_without_features_says_how_to_get_them(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy: Dataset
) -> None:
    put(nn.Linear(2, 2), monkeypatch, tmp_path / "cache")
    run, context = Run("toy", "truth", 0, 0), Context(tmp_path / "runs", CPU)
    folder = execute(run, toy, [Score("mig")], context)
    (row,) = again(folder, [Score("fid")], None)
    assert row["reason"] == inception.UNCOMPUTED
    assert missing(folder, [Score("fid")]) == [Score("fid")]
    assert METHODS["truth"].value.reference
