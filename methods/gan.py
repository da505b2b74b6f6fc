"""GAN: Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661.

The networks are the ones that InfoGAN has on the same data set, so that what two rows of a table
differ in is the codes and their mutual information. It has no inference of its own.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses
from methods.base import Batch, Method, adam, normal_codes
from methods.infogan_nets import LAYOUTS, networks


@METHODS.register(
    "gan",
    source="Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661",
)
class GAN(Method):
    """Plays equation 1, with the generator's loss that does not saturate."""

    paper_steps = {"": 300_000, "mnist": 5_000}
    paper_settings = {**{name: {} for name in LAYOUTS}, "": {"lr_d": 2e-3}}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        lr_d: float = 2e-4,
        lr_g: float = 1e-3,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.codes = normal_codes(latents)
        self.batch_size = batch_size
        self.lr_d, self.lr_g = lr_d, lr_g
        self.generator, self.trunk, features = networks(spec, latents)
        self.head = nn.Linear(features, 1)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam a player."""
        return {
            "d": adam(nn.ModuleList([self.trunk, self.head]), self.lr_d, betas=(0.5, 0.999)),
            "g": adam(self.generator, self.lr_g, betas=(0.5, 0.999)),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminator's loss, then the generator's, on the same fake images."""
        fake = self.decode(self.sample(len(batch.x), batch.x.device))
        yield "d", losses.discriminator(self.judge(batch.x), self.judge(fake.detach()))
        yield "g", losses.non_saturating(self.judge(fake))

    def judge(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1) of D(x)."""
        logits: Tensor = self.head(self.trunk(x))
        return logits

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return torch.sigmoid(self.generator(z))
