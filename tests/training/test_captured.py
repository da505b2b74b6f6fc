"""What a CUDA graph asks of a training step, as far as a CPU shows: it is alike every time."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from benchmark.evaluation.factor_classifier import FactorClassifier
from benchmark.registry import METHODS
from benchmark.training.batches import Batches, unpack
from benchmark.training.captured import Trace, obstacle
from benchmark.training.hardware import Precision
from benchmark.training.loop import Training
from datasets import Dataset
from methods.base import Batch, Method, normal_codes
from methods.posthoc import PostHoc
from methods.vae import BetaVAE

CPU = torch.device("cpu")
TRAINED: list[tuple[str, dict[str, Any]]] = [
    (name, {}) for name in METHODS.names() if METHODS[name].value.trains()
]
# Schedules that switch within the steps taken, and steps of other settings.
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("infogan_cr", {"cr_start": 4}),
    ("annealedvae", {"c_steps": 4}),
    ("gan", {"nets": "paper"}),
    ("cgan", {"nets": "paper"}),
    ("wgan", {"nets": "paper"}),
    ("wgan_gp", {"nets": "paper"}),
    ("adavae", {"variant": "mlvae"}),
    ("dipvae", {"variant": "ii"}),
    ("dcign", {"clamp": "paper", "ratio": 1.0}),
    ("dcign", {"clamp": "code", "ratio": 1.0}),
    ("infogan", {"inform": False}),
    ("vib", {"nets": "paper"}),
    ("pix2pix", {"adversarial": False}),
]
KINDS = {("infogan_cr", "cr_start"): 2, ("dcign", "clamp", "ratio"): 4}
OFTEN = [one for one in TRAINED if one[0] != "dcign"]  # by default some factors vary seldom
# By name no method alone: see `built`; "higgins" is trained by Adagrad.
MORE: list[tuple[str, dict[str, Any]]] = [
    (name, {}) for name in ("posthoc", "factor_classifier", "higgins")
]


def training(method: Method, data: Dataset, folder: Path, precision: Precision) -> Training:
    batches = Batches(data, CPU, precision)
    return Training(method.train(), batches, 1, folder / "checkpoint.pt", folder / "log.csv")


def traces(one: Training, steps: int) -> dict[Any, list[Trace]]:
    """Each step's operations, by kind of step."""
    found: defaultdict[Any, list[Trace]] = defaultdict(list)
    for step in range(steps):
        batch = one.batches.draw(one.method, step)
        with Trace() as trace:
            one.step(batch)
        found[batch.kind].append(trace)
    return found


def built(name: str, data: Dataset, given: dict[str, Any]) -> Method:
    torch.manual_seed(0)
    if name == "posthoc":
        return PostHoc(data.spec, built("infogan", data, {}))
    if name == "factor_classifier":
        return FactorClassifier(data)
    if name == "higgins":
        return BetaVAE(replace(data.spec, name="dsprites"), batch_size=4, nets="paper")
    method: Method = METHODS[name].value(data.spec, batch_size=4, **given)
    return method


@pytest.mark.parametrize(
    ("name", "given", "precision"),
    [(*one, "float32") for one in [*OFTEN, *OTHERS, *MORE]]
    + [(name, {}, "bfloat16") for name in ("betavae", "infogan", "factorvae", "adavae")],
)
def test_steps_of_a_kind_are_alike(
    name: str, given: dict[str, Any], precision: Precision, toy: Dataset, tmp_path: Path
) -> None:
    """They make no host wait, no tensor of Python numbers, and have the same numbers each time."""
    one = training(built(name, toy, given), toy, tmp_path, precision)
    kinds = traces(one, 40 if name == "dcign" else 8)
    assert len(kinds) == KINDS.get((name, *given), 1)
    for steps in kinds.values():
        assert len(steps) > 2
        for later in steps[2:]:
            assert obstacle([steps[1], later], {}) is None


def test_packed_images_are_unpacked_alike(toy: Dataset) -> None:
    packed, rows = torch.from_numpy(toy.packed[:]), torch.arange(4)
    with Trace() as trace:
        unpack(packed[rows], toy.levels, toy.shape)
    assert trace.operations
    assert trace.waits == []


class Plain(Method):
    """One weight, and a loss that a test gives."""

    def __init__(self, optimiser: Callable[..., Optimizer] = SGD) -> None:
        super().__init__()
        self.codes, self.optimiser = normal_codes(1), optimiser
        self.weight = nn.Parameter(torch.ones(()))
        self.count = 0

    def optimisers(self) -> dict[str, Optimizer]:
        return {"a": self.optimiser([self.weight], lr=0.1)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "a", self.weight.square()


class Counting(Plain):
    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        self.count += 1
        yield "a", self.weight * self.count


class Reading(Plain):
    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "a", self.weight * (2 if self.weight > 0 else 1)


class Copying(Plain):
    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "a", (self.weight * torch.tensor([1.0, 2.0])).sum()


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (Plain(), None),
        (Plain(Adam), "optimiser a keeps numbers on the host"),
        (Plain(Adagrad), "optimiser a keeps numbers on the host"),
        (Counting(), "its operations, or numbers in them, change from step to step"),
        (Reading(), "a step waits for the device: _local_scalar_dense"),
        (Copying(), "a step waits for the device: lift_fresh"),
    ],
)
def test_what_cannot_be_captured_is_found(
    method: Method, reason: str | None, toy: Dataset, tmp_path: Path
) -> None:
    one = training(method, toy, tmp_path, "float32")
    (steps,) = traces(one, 3).values()
    assert obstacle(steps[1:], one.optimisers) == reason
