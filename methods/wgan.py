"""WGAN: Arjovsky et al., Wasserstein GAN, ICML 2017, algorithm 1.

https://arxiv.org/abs/1701.07875
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, RMSprop

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import dcgan
from methods.base import Batch, Method, normal_codes
from methods.nets import Shape, discriminator, generator


@METHODS.register(
    "wgan",
    source="Arjovsky et al., Wasserstein GAN, ICML 2017, https://arxiv.org/abs/1701.07875",
    version=2,
)
class WGAN(Method):
    """A critic with small weights estimates the distance that the generator makes smaller.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1).
        n_critic: steps of the critic for one of the generator.
        clip: bound of the critic's weights.
        lr: RMSProp's learning rate of both.
        batch_size: images a batch; a step takes `n_critic` batches.
        nets: `shared` by all methods, or DCGAN's, as in the paper.

    The authors' code takes 100 steps of the critic at the start and at every 500th of the
    generator; algorithm 1, and this, does not.
    """

    paper_steps = {"": 200_000}
    paper_nets = staticmethod(dcgan.pair)
    settings_with = {"nets=paper": {"": {"latents": 100}}}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        n_critic: int = 5,
        clip: float = 0.01,
        lr: float = 5e-5,
        batch_size: int = 64,
        nets: Literal["shared", "paper"] = "shared",
    ) -> None:
        super().__init__()
        self.codes = normal_codes(latents)
        self.n_critic = self.batches = n_critic
        self.clip, self.lr, self.batch_size, self.nets = clip, lr, batch_size, nets
        make = self.paper_nets if nets == "paper" else shared
        self.generator, self.critic = make(spec.shape, latents)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one RMSProp for each network."""
        return {
            "critic": RMSprop(self.critic.parameters(), lr=self.lr),
            "g": RMSprop(self.generator.parameters(), lr=self.lr),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the critic's loss `n_critic` times, then the generator's."""
        for x in batch.x.chunk(self.n_critic):
            with torch.no_grad():
                fake = self.decode(self.sample(len(x), x.device))
            distance = self.value(x).mean() - self.value(fake).mean()
            self.logs["distance"] = distance.detach()
            yield "critic", self.penalty(x, fake) - distance
            self.restrain()
        yield "g", -self.value(self.decode(self.sample(len(x), x.device))).mean()

    def penalty(self, x: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic pays beside the distance: nothing."""
        return x.new_zeros(())

    @torch.no_grad()
    def restrain(self) -> None:
        """Clip the critic's weights after its step."""
        for p in self.critic.parameters():
            p.clamp_(-self.clip, self.clip)

    def value(self, x: Tensor) -> Tensor:
        """Return f(x), (B, 1), in float32: clipped weights make it nearly the same for every x."""
        with torch.autocast(x.device.type, enabled=False):
            value: Tensor = self.critic(x.float())
        return value

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return torch.sigmoid(self.generator(z))


def shared(shape: Shape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return the generator and a critic without any norm."""
    return generator(shape, latents), discriminator(shape, spectral=False)
