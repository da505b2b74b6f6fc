"""speed: that it measures what it says; how fast is for real machines."""

import json
import time
from dataclasses import asdict

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmark.registry import DATASETS, METHODS, UserError
from benchmark.speed import timing, training
from benchmark.training import operations
from benchmark.training.batches import Batches
from datasets import Dataset, load
from methods.base import Batch, Method
from methods.vae import BetaVAE

CPU = torch.device("cpu")


SHORT = timing.Rounds(1, 1, 0.02)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MATRIX", 64)
    monkeypatch.setattr(operations, "PROFILED", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    training.measure_all("truth,betavae", "toy", SHORT, None, "cpu", True)
    said = capsys.readouterr()
    assert "not to be trained on toy): truth\n" in said.err
    found = json.loads(said.out)
    assert [one["method"] for one in found["speeds"]] == ["betavae"]
    for one in found["speeds"]:
        assert min(value for name, value in one.items() if name != "method") > 0
        assert one["ratio"] == pytest.approx(one["steps"] / one["plain"], rel=1e-6)
        assert one["data"] < 1
    assert found["machine"]["matmul_gflops"] > 0
    assert found["machine"]["precision"] in ("float32", "bfloat16")


@pytest.mark.usefixtures("small")
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    training.measure_all("vae", "toy", SHORT, None, "cpu", False)
    out = capsys.readouterr().out
    assert "vae" in out
    assert "%" in out


@pytest.mark.parametrize("name", training.measurable("all", load("toy").spec))
@pytest.mark.usefixtures("small")
def test_every_method_that_trains_has_a_speed(name: str) -> None:
    found = training.measure(name, "toy", None, CPU, 1e12, SHORT)
    assert min(value for value in asdict(found).values() if value != name) > 0


def test_methods_that_cannot_be_measured_are_left_out(toy: Dataset) -> None:
    assert training.measurable("vae,truth,adavae", toy.spec) == ["vae", "adavae"]
    digits = "all", DATASETS["mnist"].facts["spec"]
    assert not {"adavae", "pix2pix", "pca"} & {*training.measurable(*digits)}


def test_methods_without_steps_have_no_speed() -> None:
    with pytest.raises(UserError, match="truth is not trained by steps, pca is not trained by"):
        training.measure_all("truth,pca", "toy", SHORT, None, "cpu", True)


def test_operations_are_counted_as_pytorch_counts_them(toy: Dataset) -> None:
    step = training.plain_step(*built("infogan", toy))
    with FlopCounterMode(display=False) as counter:
        step(0)
    assert operations.operations_of(step).flops == counter.get_total_flops() > 0


class Types(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the types of all tensors that operations return."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self.found.add(tensor.dtype)
        return out


def built(name: str, toy: Dataset) -> tuple[Method, Batch]:
    torch.manual_seed(0)
    method: Method = METHODS[name].value(toy.spec, batch_size=8)
    return method.train(), Batches(toy, CPU).training_batch(method, 0)


@pytest.mark.parametrize("name", ["betavae", "infogan"])
def test_the_plain_step_is_float32(toy: Dataset, name: str) -> None:
    step = training.plain_step(*built(name, toy))
    with Types() as types:
        step(0)
    assert types.found == {torch.float32}


def test_the_plain_step_is_what_a_tutorial_writes(toy: Dataset) -> None:
    """PyTorch's default Adam, with the method's rate: the same weights after three steps."""
    method, batch = built("betavae", toy)
    step = training.plain_step(method, batch)
    torch.manual_seed(1)
    for i in range(3):
        step(i)
    other, _ = built("betavae", toy)
    assert isinstance(other, BetaVAE)
    adam = torch.optim.Adam(other.parameters(), lr=other.lr)
    torch.manual_seed(1)
    for _ in range(3):
        adam.zero_grad()
        ((_, loss),) = other.losses(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    pairs = zip(method.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_its_optimiser_is_the_default_one(toy: Dataset) -> None:
    method, _ = built("gan", toy)
    ours = method.optimisers()["g"]
    plain = training._plain(ours)
    assert type(plain) is torch.optim.Adam
    kept = ("lr", "betas", "eps")
    default = torch.optim.Adam([torch.zeros(1)]).param_groups[0]
    for name, value in plain.param_groups[0].items():
        if name != "params":
            assert value == (ours.param_groups[0] if name in kept else default)[name]
    assert ours.param_groups[0]["fused"]


def test_a_rate_is_that_of_the_work() -> None:
    """Steps of 10 ms take 10 ms, however many there are; the wait for the device counts."""
    steps: list[int] = []

    def step(i: int) -> None:
        steps.append(i)
        time.sleep(0.01)

    start = time.perf_counter()
    found = timing.seconds(step, lambda: time.sleep(0.05), 0.1)
    taken = time.perf_counter() - start
    assert steps == list(range(len(steps)))
    assert found * len(steps) == pytest.approx(taken, rel=0.05)
    assert found > 0.01
