"""What a run records of its cost: images, operations, and the seconds of its stages."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.registry import METHODS
from benchmark.runner import Context, execute
from benchmark.training.batches import Batches
from benchmark.training.cost import counted
from datasets import Dataset
from methods.base import Batch, Code, Method, normal_codes

CPU = torch.device("cpu")


class Line(Method):
    """One linear map of the image to a number."""

    batch_size = 8
    batches = 3
    codes: ClassVar[tuple[Code, ...]] = normal_codes(1)  # type: ignore[misc]

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.map = nn.Linear(pixels, 1)

    def optimisers(self) -> dict[str, Optimizer]:
        return {"loss": SGD(self.parameters(), 0.1)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "loss", self.map(batch.x.flatten(1)).square().mean()


def test_operations_and_images_of_all_steps(toy: Dataset) -> None:
    pixels = toy.packed[:1].size * 8
    found = counted(Line(pixels), Batches(toy, CPU), 10)
    images = 8 * 3
    # Forwards, and backwards to the weights alone: images need no gradient.
    assert found == {"images": 10 * images, "flops": 10 * 2 * (2 * images * pixels)}


def test_a_pair_is_two_images(toy: Dataset) -> None:
    method = METHODS["adavae"].value(toy.spec, batch_size=4)
    assert counted(method, Batches(toy, CPU), 5)["images"] == 5 * 2 * 4


def test_what_is_not_trained_by_steps_has_neither(toy: Dataset) -> None:
    assert counted(METHODS["pca"].value(toy.spec), Batches(toy, CPU), 0) == {}


@pytest.mark.parametrize("method", ["vae", "gan"])
def test_a_run_records_its_cost(toy: Dataset, tmp_path: Path, method: str) -> None:
    run = Run("toy", method, 0, 3, {"batch_size": 4})
    folder = execute(run, toy, [Score("mig")], Context(tmp_path, CPU))
    assert folder.scores is not None
    train = folder.scores["train"]
    assert train["images"] == 12
    assert train["flops"] > 0
    stages = {"seconds", "encode_seconds", "pictures_seconds"}
    assert stages <= train.keys()
    assert all(train[name] > 0 for name in stages)
