"""Apple's GPU (MPS), as far as a machine without one shows: it has no float64."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark.config.applicable import misfit
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.errors import UserError
from benchmark.evaluation import encode, generate, inception
from benchmark.evaluation.factor_classifier import FactorClassifier
from benchmark.evaluation.tracking import Track
from benchmark.registry import METHODS
from benchmark.runner import Context, execute
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.loop import Training
from datasets import Dataset
from methods.base import Batch, defaults

CPU, MPS = torch.device("cpu"), torch.device("mps")
COPIES = {torch.ops.aten.copy_, torch.ops.aten._to_copy}
"""They may read float64 that is on the CPU."""


class NoFloat64(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where an operation makes or reads a tensor of float64."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        read = () if func.overloadpacket in COPIES else tree_leaves((args, kwargs))
        for value in (*read, *tree_leaves(out)):
            if isinstance(value, Tensor) and value.dtype in (torch.float64, torch.complex128):
                raise TypeError(f"{func} on {value.dtype}")
        return out


def there(monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in devices)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in devices)


@pytest.mark.parametrize(
    ("devices", "chosen"), [([], "cpu"), (["mps"], "mps"), (["mps", "cuda"], "cuda")]
)
def test_auto_takes_the_fastest(
    monkeypatch: pytest.MonkeyPatch, devices: list[str], chosen: str
) -> None:
    there(monkeypatch, *devices)
    assert hardware.device("auto").type == chosen
    for name in ("cpu", *devices):
        assert hardware.device(name).type == name
    for name, gpu in (("mps", r"Apple GPU \(MPS\)"), ("cuda", "CUDA GPU")):
        if name not in devices:
            with pytest.raises(UserError, match=f"PyTorch finds no {gpu} here; .* be auto, cpu"):
                hardware.device(name)


def test_it_trains_in_float32_alone() -> None:
    assert hardware.precision("auto", MPS) == hardware.precision("float32", MPS) == "float32"
    with pytest.raises(UserError, match=r"unknown precision on mps 'bfloat16'.* auto, float32$"):
        hardware.precision("bfloat16", MPS)
    assert not hardware.autocast(MPS, "float32")._enabled  # type: ignore[attr-defined]


@pytest.mark.parametrize(("limit", "found"), [(10 * 2**30, 4 * 2**30 - 1), (2 * 2**30, 2**29)])
def test_images_take_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch, limit: int, found: int
) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: limit)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2**30)
    assert hardware.memory_for_images(MPS) == found
    assert hardware.memory_for_images(CPU) == 0


@pytest.mark.parametrize("sizes", [encode.GPU_BATCH, generate.BATCH, inception.BATCH])
def test_there_is_a_batch_size(sizes: dict[str, int]) -> None:
    assert sizes["mps"] <= sizes["cuda"]


def test_a_checkpoint_has_the_gpus_generator(
    monkeypatch: pytest.MonkeyPatch, toy: Dataset, tmp_path: Path
) -> None:
    """It is that of any device that is not the CPU; here of one whose tensors have no content."""
    assert torch.get_device_module(MPS) is torch.mps
    state = [torch.tensor([7], dtype=torch.uint8)]
    generator = SimpleNamespace(
        get_rng_state=lambda device: state[0],
        set_rng_state=lambda new, device: state.append(new),
    )
    monkeypatch.setattr(torch, "get_device_module", lambda device: generator)
    paths = tmp_path / "checkpoint.pt", tmp_path / "log.csv"
    method = METHODS["vae"].value(toy.spec)
    one, other = (Training(method, Batches(toy, CPU), 3, *paths) for _ in range(2))
    one.device = other.device = torch.device("meta")
    one.save(0)
    other.load()
    assert state[1].tolist() == [7]


@pytest.mark.parametrize("name", METHODS.names())
def test_no_method_makes_float64(
    name: str, toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in training nor in encoding, tracking, decoding, or the generator's side."""
    if lacks := misfit(name, toy.spec):
        pytest.skip(lacks)
    classifier = FactorClassifier(toy).eval()
    classifier.accuracy = (1.0,) * len(toy.factor_sizes)
    monkeypatch.setattr("benchmark.runner.trained_classifier", lambda *_: classifier)
    monkeypatch.setattr(generate, "GENERATED", 16)
    settings = defaults(METHODS[name].value, "toy")
    steps = 2 if METHODS[name].value.trains() else 0
    run = Run("toy", name, 0, steps, settings, precision="float32")
    scores = [Score("mig"), Score("mig", "generator")]
    with NoFloat64():
        folder = execute(run, toy, scores, Context(tmp_path, CPU, track=Track(1, (scores[0],))))
    assert (folder.state, folder.reason) == ("done", "")


def test_float64_would_be_seen(toy: Dataset) -> None:
    x = Batches(toy, CPU).images(toy.table_rows(4))
    with NoFloat64():
        METHODS["pca"].value(toy.spec).encode(Batch(x))
        with pytest.raises(TypeError, match="float64"):
            METHODS["pca"].value(toy.spec).double().encode(Batch(x))
