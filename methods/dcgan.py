"""DCGAN: Radford et al., Unsupervised Representation Learning with DCGAN, ICLR 2016.

https://arxiv.org/abs/1511.06434, section 3 and figure 1. Images are in [0, 1] throughout, so the
paper's tanh is a sigmoid of twice the input.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses
from methods.base import Batch, Method, adam, normal_codes
from methods.dcgan_nets import features, generator, judge
from methods.nets import dcgan_init

BETAS = (0.5, 0.999)


@METHODS.register(
    "dcgan",
    source="Radford et al., Unsupervised Representation Learning with Deep Convolutional "
    "Generative Adversarial Networks, ICLR 2016, https://arxiv.org/abs/1511.06434",
    version=1,
)
class DCGAN(Method):
    """A GAN of convolutions of stride 2 alone, with batch norm and no hidden connected layer.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1).
        width: channels of the largest image in either network; they double as images halve.
        lr: Adam's learning rate of both players.
        batch_size: images a batch.
    """

    paper_steps = {"": 300_000}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 100,
        width: int = 64,
        lr: float = 2e-4,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.codes = normal_codes(latents)
        self.width, self.lr, self.batch_size = width, lr, batch_size
        self.generator = generator(spec.shape, latents, width)
        self.features = features(spec.shape, width)
        self.head = judge(spec.shape, width)
        self.apply(dcgan_init)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam a player."""
        d = nn.ModuleList([self.features, self.head])
        return {
            "d": adam(d, self.lr, betas=BETAS),
            "g": adam(self.generator, self.lr, betas=BETAS),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminator's loss, then the generator's, on the same fake images."""
        fake = self.decode(self.sample(len(batch.x), batch.x.device))
        real, false = (self.head(self.features(x)) for x in (batch.x, fake.detach()))
        yield "d", losses.discriminator(real, false)
        yield "g", losses.non_saturating(self.head(self.features(fake)))

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return torch.sigmoid(2 * self.generator(z))
