"""Parts of the first GANs: maxout layers, and gradient descent with their schedule.

Goodfellow et al., Maxout Networks, ICML 2013, https://arxiv.org/abs/1302.4389. The schedule is the
one that the papers on GAN (2014) and cGAN (2014) used on MNIST, as in pylearn2.
"""

import itertools
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

SLOWEST = 1e-6
MOMENTUM = 0.5, 0.7


class Maxout(nn.Module):
    """(B, inputs) -> (B, units): each unit is the largest of several linear pieces."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest pieces."""
        y: Tensor = self.linear(x)
        return y.view(len(y), -1, self.pieces).amax(2)


class DecayingSGD(Optimizer):
    """SGD whose learning rate falls by a factor at every step while its momentum grows.

    Both follow from a count of steps on the device, so that a captured step moves them, too.

    Args:
        params: as for SGD.
        lr: the first learning rate; it ends at 1e-6.
        factor: what the learning rate is divided by after a step.
        saturate: steps in which momentum grows linearly from 0.5 to 0.7.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, factor: float, saturate: int = 125_000
    ) -> None:
        super().__init__(params, {"lr": lr, "factor": factor, "saturate": saturate})
        for p in itertools.chain(*(group["params"] for group in self.param_groups)):
            self.state[p] = {"steps": p.new_zeros(()), "velocity": torch.zeros_like(p)}

    def schedule(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return the learning rate and the momentum of a parameter's next step."""
        (group,), steps = self.param_groups, self.state[p]["steps"]
        rate = group["lr"] * (-math.log(group["factor"]) * steps).exp()
        share = (steps / group["saturate"]).clamp(max=1)
        return rate.clamp(min=SLOWEST), MOMENTUM[0] + (MOMENTUM[1] - MOMENTUM[0]) * share

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step; the state_dict holds how many were taken."""
        for p in itertools.chain(*(group["params"] for group in self.param_groups)):
            rate, momentum = self.schedule(p)
            state = self.state[p]
            state["velocity"].mul_(momentum).add_(p.grad)
            p.sub_(rate * state["velocity"])
            state["steps"] += 1


def decaying(
    discriminator: nn.Module, generator: nn.Module, factor: float, lr_d: float = 0.1
) -> dict[str, Optimizer]:
    """Return `DecayingSGD` for each of the two networks, for G from a rate of 0.1 on."""
    return {
        "d": DecayingSGD(discriminator.parameters(), lr_d, factor),
        "g": DecayingSGD(generator.parameters(), 0.1, factor),
    }


def uniform_init(module: nn.Module, bound: float) -> None:
    """Draw the weights of linear layers from U(-bound, bound), and set their offsets to 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.uniform_(part.weight, -bound, bound)
            nn.init.zeros_(part.bias)
