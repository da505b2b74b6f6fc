"""FactorVAE: Kim & Mnih, Disentangling by Factorising, ICML 2018.

https://arxiv.org/abs/1802.05983, equation 2 and algorithm 2. The values for chairs are those of
https://github.com/1Konny/FactorVAE.
"""

from collections.abc import Iterator
from functools import partial
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import vae_nets
from methods.base import Batch, adam
from methods.nets import mlp
from methods.posterior import Posterior
from methods.vae import VAE, Shared


@METHODS.register(
    "factorvae",
    source="Kim & Mnih, Disentangling by Factorising, ICML 2018, https://arxiv.org/abs/1802.05983",
    version=2,
)
class FactorVAE(VAE):
    """Maximises the ELBO - gamma TC(z), with the density ratio that a discriminator estimates.

    Args:
        spec: the data set.
        gamma: weight of the total correlation.
        lr_d: learning rate of the discriminator.
        shared: the settings of `VAE`.

    A step takes two batches: the first trains the VAE, and the codes of the second are permuted, so
    that the discriminator has two that are independent.
    """

    batches = 2
    settings_with = {"nets=paper": {"chairs": {"gamma": 3.2, "lr_d": 1e-5}, "": {}}}
    paper_nets = staticmethod(vae_nets.kim)

    def __init__(
        self,
        spec: Spec,
        *,
        gamma: float = 35.0,
        lr_d: float = 1e-4,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(spec, **shared)
        self.gamma, self.lr_d = gamma, lr_d
        self.discriminator = discriminator(len(self.codes))

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over the VAE, and one over the discriminator."""
        vae = nn.ModuleList([self.encoder, self.decoder])
        return {
            "elbo": adam(vae, self.lr),
            "d": adam(self.discriminator, self.lr_d, betas=(0.5, 0.9)),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the VAE's loss on the first batch, then the discriminator's on both."""
        first, second = batch.x.chunk(2)
        yield from super().losses(Batch(first))
        with torch.no_grad():
            joint, other = self.draw(first), permuted(self.draw(second))
        logits = self.discriminator(torch.cat([joint, other])).float()
        classes = torch.arange(len(logits), device=logits.device) >= len(joint)
        yield "d", F.cross_entropy(logits, classes.long())

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return KL + gamma TC, the mean log-odds of joint against marginals: equation 3."""
        logits = self.discriminator(z).float()
        tc: Tensor = (logits[:, 0] - logits[:, 1]).mean()
        self.logs["tc"] = tc.detach()
        return kl + self.gamma * tc

    def draw(self, x: Tensor) -> Tensor:
        """Return samples z (B, L) of q(z | x)."""
        return self.posterior(x).sample()


def permuted(z: Tensor) -> Tensor:
    """Return z (B, L), every column in a random order of its own: algorithm 1."""
    return z.gather(0, torch.rand_like(z).argsort(0))


def discriminator(latents: int, width: int = 1000, hidden: int = 6) -> nn.Sequential:
    """Return z (B, latents) -> logits (B, 2), of the joint and of the product of the marginals."""
    leaky = partial(nn.LeakyReLU, 0.2, inplace=True)
    return nn.Sequential(*mlp((latents, *[width] * hidden, 2), leaky))
