"""What needs a GPU: steps replayed from CUDA graphs train as steps taken one by one do."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import Adagrad

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.registry import METHODS
from benchmark.runner import Context, execute
from benchmark.training.batches import Batches
from benchmark.training.hardware import Precision, allow_tf32
from benchmark.training.loop import LOG_EVERY, Stopped, Training
from datasets import Dataset
from methods.base import Method
from results.store import Codes, Generated
from tests.training.test_captured import OTHERS, TRAINED, Plain
from tests.training.test_loop import After

pytestmark = pytest.mark.gpu

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
STEPS = 24


@pytest.fixture(autouse=True)
def _deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same algorithms of cuDNN and cuBLAS, in float32, for both."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    allow_tf32(False)


def training(
    name: str, given: dict[str, Any], data: Dataset, folder: Path, precision: Precision, **more: Any
) -> Training:
    torch.manual_seed(0)
    cls = METHODS[name].value
    method: Method = cls(data.spec, batch_size=8, **given).to(CUDA).train()
    batches = Batches(data, CUDA, precision)
    return Training(method, batches, STEPS, folder / "checkpoint.pt", folder / "log.csv", **more)


def assert_same(one: Method, other: Method) -> None:
    a, b = one.state_dict(), other.state_dict()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "given"), [*TRAINED, *OTHERS])
def test_replayed_steps_are_eager_steps(
    name: str, given: dict[str, Any], precision: Precision, toy: Dataset, tmp_path: Path
) -> None:
    """To the bit, losses and weights, on every kind of step."""
    ended = []
    for captured in (True, False):
        one = training(name, given, toy, tmp_path / str(captured), precision, capture=captured)
        one.log.parent.mkdir()
        torch.manual_seed(1)
        one.run()
        ended.append(one)
    replayed, eager = ended
    assert replayed.captured is not None
    assert replayed.captured.reason is None
    assert replayed.captured.graphs
    assert_same(replayed.method, eager.method)
    assert replayed.log.read_text() == eager.log.read_text()


def test_a_stopped_run_continues(toy: Dataset, tmp_path: Path) -> None:
    """Between two rows of the log, with graphs captured anew: the same bits at the end."""

    def go(folder: Path, stops: list[int]) -> Method:
        folder.mkdir()
        for left in [*stops, 0]:
            one = training("betavae", {}, toy, folder, "float32", stop=After(left))
            torch.manual_seed(1)
            try:
                one.run()
            except Stopped:
                assert left
        return one.method

    assert_same(go(tmp_path / "whole", []), go(tmp_path / "parts", [7, 9]))


@pytest.mark.parametrize("fused", [False, True])
def test_what_cannot_be_captured_trains_and_says_why(
    fused: bool, toy: Dataset, tmp_path: Path
) -> None:
    """Adagrad keeps its count on the host, unless it is fused, as `methods.base.adagrad` is."""
    method = Plain(partial(Adagrad, fused=fused)).to(CUDA).train()
    files = tmp_path / "checkpoint.pt", tmp_path / "log.csv"
    one = Training(method, Batches(toy, CUDA), STEPS, *files)
    one.run()
    assert method.weight.item() < 1
    assert one.captured is not None
    assert one.captured.reason == (None if fused else "optimiser a keeps numbers on the host")
    assert bool(one.captured.graphs) == fused


@pytest.mark.parametrize("name", ["infogan", "betavae", "gan", "cgan", "infogan_cr"])
def test_a_run_on_a_gpu(name: str, toy: Dataset, tmp_path: Path) -> None:
    """Trained, encoded, both sides scored; the CPU's codes of the same weights are close."""
    run = Run("toy", name, 0, LOG_EVERY + 5, {"batch_size": 16}, "steps", "float32")
    scores = [Score("mig"), Score("mig", "generator")]
    folder = execute(run, toy, scores, Context(tmp_path, CUDA))
    assert folder.state == "done", folder.reason
    assert {row["metric"] for row in (folder.scores or {})["rows"]} == {"mig", "mig@generator"}
    assert folder.has(Generated)
    state = torch.load(folder.model(), weights_only=True, map_location="cpu")["method"]
    method: Method = run.cls(toy.spec, **run.settings)
    method.load_state_dict(state)
    if method.encodes:
        codes = folder.read(Codes)
        rows = codes.rows[:64]
        with torch.no_grad():
            ours = method.eval().encode(Batches(toy, CPU).batch(method, rows)).numpy()
        np.testing.assert_allclose(ours, codes.codes[:64], rtol=1e-2, atol=1e-3)


def test_images_on_the_device_are_the_images(toy: Dataset) -> None:
    rows = np.arange(50)
    on_gpu, here = (Batches(toy, device).images(rows) for device in (CUDA, CPU))
    assert torch.equal(on_gpu.cpu(), here)
