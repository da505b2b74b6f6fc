"""Parts of the first GANs: maxout layers, and gradient descent with their schedule.

Goodfellow et al., Maxout Networks, ICML 2013, https://arxiv.org/abs/1302.4389. The schedule is the
one that the papers on GAN (2014) and cGAN (2014) used on MNIST, as in pylearn2.
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Optimizer

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


class DecayingSGD(SGD):
    """SGD whose learning rate falls by a factor at every step while its momentum grows.

    Args:
        params: as for SGD.
        lr: the first learning rate; it ends at 1e-6.
        factor: what the learning rate is divided by after a step.
        saturate: steps in which momentum grows linearly from 0.5 to 0.7.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, factor: float, saturate: int = 125_000
    ) -> None:
        super().__init__(params, lr=lr, momentum=MOMENTUM[0])
        self.defaults |= {"factor": factor, "growth": (MOMENTUM[1] - MOMENTUM[0]) / saturate}
        for group in self.param_groups:
            group |= {k: self.defaults[k] for k in ("factor", "growth")}

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take a step, and move the schedule, which the state_dict holds, by one."""
        loss = super().step(closure)
        for group in self.param_groups:
            group["lr"] = max(group["lr"] / group["factor"], SLOWEST)
            group["momentum"] = min(group["momentum"] + group["growth"], MOMENTUM[1])
        return loss


def decaying(discriminator: nn.Module, generator: nn.Module, factor: float) -> dict[str, Optimizer]:
    """Return `DecayingSGD` for each of the two networks, from a rate of 0.1 on."""
    networks = {"d": discriminator, "g": generator}
    return {name: DecayingSGD(net.parameters(), 0.1, factor) for name, net in networks.items()}


def uniform_init(module: nn.Module, bound: float) -> None:
    """Draw the weights of linear layers from U(-bound, bound), and set their offsets to 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.uniform_(part.weight, -bound, bound)
            nn.init.zeros_(part.bias)
