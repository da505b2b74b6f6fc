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
from methods.nets import Affine, discriminator, generator, mlp


@METHODS.register(
    "gan",
    source="Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661",
    version=2,
)
class GAN(Adversarial):
    """Plays equation 1, with the generator's loss that does not saturate.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1), or with the paper's nets U(-1, 1).
        nets: `shared` by all methods, with Adam; or the `paper`'s of MNIST, as published: G has two
            layers of 1,200 and D maxout with dropout; SGD starts at a rate of 0.1.
        lr_d, lr_g: Adam's learning rates.
        batch_size: images a batch.

    The published code starts G's last offsets at the logits of the mean image. Here they start at
    0: a method is built without images.
    """

    settings_with = {"nets=paper": {"": {"latents": 100, "batch_size": 100}}}

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
        # The published code halves D's loss, which is half the rate.
        return decaying(self.discriminator, self.generator, 1.000004, lr_d=0.05)


def dense(spec: Spec, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return the paper's networks of MNIST for images of any size: G of two layers, D of maxout.

    G is given z in U(-sqrt 3, sqrt 3), of variance 1, as in https://github.com/goodfeli/adversarial.
    """
    pixels = math.prod(spec.shape)
    layers = mlp((latents, 1200, 1200, pixels), nn.ReLU)
    g = nn.Sequential(Affine(math.sqrt(3)), *layers, nn.Unflatten(1, spec.shape))
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
