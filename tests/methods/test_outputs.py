"""What adversarial methods log of the discriminator: whether it still tells real from generated."""

import pytest
import torch

from benchmark.training.loop import advance
from datasets.toy import SPEC as TOY
from methods.adversarial import outputs
from tests.methods.test_method_contract import batch_of, built


def test_outputs_are_means_of_probabilities() -> None:
    found = outputs(torch.tensor([[0.0], [100.0]]), torch.tensor([[-100.0], [0.0]]))
    assert {name: float(value) for name, value in found.items()} == {"D_real": 0.75, "D_fake": 0.25}


@pytest.mark.parametrize("name", ["gan", "dcgan"])
def test_they_are_in_the_log_of_a_step(name: str) -> None:
    method = built(name)
    step = advance(method, batch_of(TOY, method.sees), method.optimisers(), "float32")
    assert 0 < float(step["D_real"]) < 1
    assert 0 < float(step["D_fake"]) < 1
