"""GAN: Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661.

It has no inference of its own.
"""

import math
from typing import Literal

from torch import nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.adversarial import Adversarial
from methods.base import normal_codes, uniform_codes
from methods.maxout import Maxout, decaying, uniform_init
from methods.nets import discriminator, generator, mlp


@METHODS.register(
    "gan",
    source="Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661",
    version=1,
)
class GAN(Adversarial):
    """Plays equation 1, with the generator's loss that does not saturate.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1); with the paper's nets U(-1, 1), and the paper has 100.
        nets: `shared` by all methods, with Adam; or the `paper`'s of MNIST: a generator of two
            layers of 1,200, maxout with dropout in D, and SGD that starts at a rate of 0.1.
        lr_d, lr_g: Adam's learning rates.
        batch_size: images a batch.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        nets: Literal["shared", "paper"] = "shared",
        lr_d: float = 2e-4,
        lr_g: float = 1e-3,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.nets, self.lr_d, self.lr_g, self.batch_size = nets, lr_d, lr_g, batch_size
        if nets == "shared":
            self.codes = normal_codes(latents)
            self.generator = generator(spec.shape, latents)
            self.discriminator = discriminator(spec.shape)
        else:
            self.codes = uniform_codes(latents)
            self.generator, self.discriminator = dense(spec, latents)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one optimiser for each network."""
        if self.nets == "shared":
            return super().optimisers()
        return decaying(self.discriminator, self.generator, 1.000004)


def dense(spec: Spec, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return the paper's networks of MNIST for images of any size: G of two layers, D of maxout."""
    pixels = math.prod(spec.shape)
    g = nn.Sequential(*mlp((latents, 1200, 1200, pixels), nn.ReLU), nn.Unflatten(1, spec.shape))
    d = nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.2),
        Maxout(pixels, 240, 5),
        nn.Dropout(0.5),
        Maxout(240, 240, 5),
        nn.Dropout(0.5),
        nn.Linear(240, 1),
    )
    uniform_init(g, 0.05)
    uniform_init(d, 0.005)
    return g, d
