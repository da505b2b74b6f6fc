"""Ada-GVAE and Ada-ML-VAE: Locatello et al., Weakly-Supervised Disentanglement, ICML 2020.

https://arxiv.org/abs/2002.02886, sections 4.1 and 4.2. The images of a pair differ in one factor;
which one, the method is not told.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses
from methods.base import Batch
from methods.vae import VAE, drawn
from methods.vae_nets import Nets

Posterior = tuple[Tensor, Tensor]


@METHODS.register(
    "adavae",
    source="Locatello et al., Weakly-Supervised Disentanglement Without Compromises, ICML 2020, "
    "https://arxiv.org/abs/2002.02886",
)
class AdaVAE(VAE):
    """A beta-VAE of pairs, whose posteriors are averaged where the two images agree.

    Args:
        spec: the data set.
        variant: how two posteriors become one: `gvae` takes the mean of their means and variances,
            `mlvae` the normalised product of their densities.
        beta: weight of the KL divergence.
        latents, lr, batch_size, nets: those of `VAE`; a batch is so many pairs.
    """

    sees = "pairs"

    def __init__(
        self,
        spec: Spec,
        *,
        variant: Literal["gvae", "mlvae"] = "gvae",
        beta: float = 1.0,
        latents: int = 10,
        lr: float = 1e-4,
        batch_size: int = 64,
        nets: Nets = "shared",
    ) -> None:
        super().__init__(spec, latents=latents, lr=lr, batch_size=batch_size, nets=nets)
        self.variant, self.beta = variant, beta

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the mean over the pair of the negative ELBO: equation 6."""
        assert batch.y is not None
        x = torch.cat([batch.x, batch.y])
        mu, logvar = self.posterior(x)
        one, other = zip(mu.chunk(2), logvar.chunk(2), strict=True)
        pair = shared_where_alike(one, other, self.variant)
        mu, logvar = (torch.cat(part) for part in zip(*pair, strict=True))
        z = drawn(mu, logvar)
        reconstruction = losses.bernoulli(self.decoder(z), x)
        kl = losses.kl_normal(mu, logvar).sum()
        self.logs |= {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        yield "elbo", reconstruction + self.beta * kl


def shared_where_alike(
    one: Posterior, other: Posterior, variant: str
) -> tuple[Posterior, Posterior]:
    """Return both posteriors, (mu, logvar) of (B, L), with the latents that agree averaged.

    A latent agrees in a pair if KL(q1 || q2) is below the middle of the range over latents.
    """
    (mu1, logvar1), (mu2, logvar2) = one, other
    ratio = torch.exp(logvar1 - logvar2)
    kl = 0.5 * (ratio + (mu2 - mu1).square() * torch.exp(-logvar2) - 1 + logvar2 - logvar1)
    low, high = kl.aminmax(dim=1, keepdim=True)
    alike = kl < (low + high) / 2
    mu, logvar = _average(one, other, variant)
    return (
        (torch.where(alike, mu, mu1), torch.where(alike, logvar, logvar1)),
        (torch.where(alike, mu, mu2), torch.where(alike, logvar, logvar2)),
    )


def _average(one: Posterior, other: Posterior, variant: str) -> Posterior:
    (mu1, logvar1), (mu2, logvar2) = one, other
    if variant == "gvae":
        return (mu1 + mu2) / 2, torch.logaddexp(logvar1, logvar2) - math.log(2)
    precision1, precision2 = torch.exp(-logvar1), torch.exp(-logvar2)
    total = precision1 + precision2
    mu = (mu1 * precision1 + mu2 * precision2) / total
    return mu, math.log(2) - total.log()
