"""What Inception sees: a network with random weights in the file of the published ones."""

import hashlib
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torchvision.models import Inception3, Inception_V3_Weights, inception_v3

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation import inception
from benchmark.evaluation.score import again
from benchmark.registry import METHODS, UserError
from benchmark.runner import Bench, execute, missing
from datasets import Dataset
from results.store import Folder

CPU = torch.device("cpu")
IMAGES = 4


@pytest.fixture(scope="module")
def network() -> Inception3:
    """Torchvision's, as it comes with the published weights, but for the weights."""
    torch.manual_seed(0)
    made = inception_v3(weights=None, transform_input=True, init_weights=False)
    return cast(Inception3, made.eval())


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(inception, "IMAGES", IMAGES)


def put(network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Save the weights there, under the name that their checksum gives them."""
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / "weights")
    digest = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "WEIGHTS", f"inception_v3_google-{digest[:8]}.pth")
    return (folder / "weights").rename(folder / inception.WEIGHTS)


def test_the_weights_are_torchvisions() -> None:
    assert Inception_V3_Weights.IMAGENET1K_V1.url == inception.URL
    assert Path(inception.URL).name == inception.WEIGHTS


@pytest.mark.parametrize("place", ["cache/inception", "cache", "torch/hub/checkpoints"])
def test_weights_are_found(
    network: Inception3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    assert inception.weights() is None
    assert str(tmp_path / "cache" / "inception" / inception.WEIGHTS) in inception.lacking()
    path = put(torch.nn.Linear(2, 2), monkeypatch, tmp_path / place)
    assert inception.weights() == path


def test_what_it_sees_is_what_torchvisions_network_sees(
    network: Inception3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(network, monkeypatch, tmp_path / "cache" / "inception")
    x = torch.rand(2, 3, 299, 299)
    mean, std = (
        torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        ours = network.fc(inception._network(CPU)(inception._seen(x)))
        torch.testing.assert_close(ours, network((x - mean) / std), rtol=1e-3, atol=1e-4)
    assert inception._seen(torch.zeros(1, 1, 16, 16)).shape == (1, 3, 299, 299)


def test_damaged_weights_are_named(
    network: Inception3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = put(torch.nn.Linear(2, 2), monkeypatch, tmp_path / "cache")
    with pytest.raises(UserError, match=f"cannot read Inception's weights in {path}"):
        inception._network(CPU)
    path.write_bytes(b"half of it")
    with pytest.raises(UserError, match=f"{path} is damaged: its SHA-256 begins with"):
        inception._network(CPU)


@pytest.mark.slow
def test_generators_are_compared_with_real_images_once_the_weights_are_there(
    network: Inception3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy: Dataset
) -> None:
    metrics, bench = [Score("fid"), Score("kid")], Bench(tmp_path / "runs", CPU)
    runs = [Run("toy", name, 0, 0 if name != "vae" else 2) for name in ("vae", "truth", "pca")]

    def rows(*runs: Run) -> dict[str, dict[str, dict[str, Any]]]:
        folders = {run.method: execute(run, toy, metrics, bench) for run in runs}
        scores = {name: folder.scores or {} for name, folder in folders.items()}
        return {name: {r["metric"]: r for r in found["rows"]} for name, found in scores.items()}

    before = rows(*runs)
    assert before["vae"]["fid"]["reason"] == before["truth"]["kid"]["reason"] == inception.lacking()
    assert before["pca"]["fid"]["reason"] == "needs images of the method's prior, and it makes none"
    put(network, monkeypatch, tmp_path / "cache" / "inception")
    assert [missing(run, bench.out, metrics) for run in runs] == [metrics, metrics, []]
    after = rows(runs[0], runs[2])
    assert after["vae"]["fid"]["value"] > 0
    assert after["vae"]["fid"]["images"] == IMAGES
    assert after["pca"] == before["pca"]
    assert not missing(runs[0], bench.out, metrics)
    (folder,) = bench.out.glob("toy-vae-*")
    (folder / "model.pt").unlink()
    values = {row["metric"]: row["value"] for row in again(Folder(folder), metrics, None)}
    assert values == {name: row["value"] for name, row in after["vae"].items()}


def test_a_run_that_inception_has_not_seen_says_how(
    network: Inception3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy: Dataset
) -> None:
    put(torch.nn.Linear(2, 2), monkeypatch, tmp_path / "cache")
    run, bench = Run("toy", "truth", 0, 0), Bench(tmp_path / "runs", CPU)
    folder = execute(run, toy, [Score("mig")], bench)
    (row,) = again(folder, [Score("fid")], None)
    assert row["reason"] == inception.UNSEEN
    assert missing(run, bench.out, [Score("fid")]) == [Score("fid")]
    assert METHODS["truth"].value.reference
