"""What methods with a generator and a discriminator share.

Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661. Adam's betas
are those of Radford et al., DCGAN, ICLR 2016, https://arxiv.org/abs/1511.06434, section 4.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import losses
from methods.base import Batch, Method, adam

BETAS = (0.5, 0.999)


def optimisers(
    discriminator: nn.Module, generator: nn.Module, lr_d: float, lr_g: float
) -> dict[str, Optimizer]:
    """Return Adam for each of the two networks, `d` and `g`."""
    return {
        "d": adam(discriminator, lr_d, betas=BETAS),
        "g": adam(generator, lr_g, betas=BETAS),
    }


def outputs(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return the means of D(x) and D(G(z)), in [0, 1], of logits of both, for the log."""
    logits = {"D_real": real, "D_fake": fake}
    return {name: torch.sigmoid(x.detach().float()).mean() for name, x in logits.items()}


class Adversarial(Method):
    """Plays equation 1, with the generator's loss that does not saturate.

    A subclass sets `generator`, z (B, L) -> logits of pixels; `discriminator`, images -> logits
    (B, 1); and the learning rates of both.
    """

    paper_steps = {"": 300_000}
    generator: nn.Module
    discriminator: nn.Module
    lr_d: float
    lr_g: float

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam for each network."""
        return optimisers(self.discriminator, self.generator, self.lr_d, self.lr_g)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminator's loss, then the generator's, on the same fake images."""
        fake = self.decode(self.sample(len(batch.x), batch.x.device))
        real, false = self.discriminator(batch.x), self.discriminator(fake.detach())
        self.logs |= outputs(real, false)
        yield "d", losses.discriminator(real, false)
        yield "g", losses.non_saturating(self.discriminator(fake))

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return torch.sigmoid(self.generator(z))
