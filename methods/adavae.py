"""Ada-GVAE and Ada-ML-VAE: Locatello et al., Weakly-Supervised Disentanglement, ICML 2020.

https://arxiv.org/abs/2002.02886, sections 4.1 and 4.2. The images of a pair differ in one factor;
which one, the method does not know. The authors' code is in disentanglement_lib, whose networks are
the paper's.
"""

from collections.abc import Iterator
from typing import Literal, Unpack

import torch
from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, vae_nets
from methods.base import Batch
from methods.posterior import Posterior
from methods.vae import VAE, Shared


@METHODS.register(
    "adavae",
    source="Locatello et al., Weakly-Supervised Disentanglement Without Compromises, ICML 2020, "
    "https://arxiv.org/abs/2002.02886",
    version=2,
)
class AdaVAE(VAE):
    """A beta-VAE of pairs, whose posteriors are averaged where the two images agree.

    Args:
        spec: the data set.
        variant: how two posteriors become one: `gvae` takes the mean of their means and variances,
            `mlvae` the normalised product of their densities.
        beta: weight of the KL divergence.
        shared: the settings of `VAE`; a batch is so many pairs.
    """

    sees = "pairs"
    settings_with = {}
    paper_nets = staticmethod(vae_nets.dlib)

    def __init__(
        self,
        spec: Spec,
        *,
        variant: Literal["gvae", "mlvae"] = "gvae",
        beta: float = 1.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(spec, **shared)
        self.variant, self.beta = variant, beta

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the mean over the pair of the negative ELBO: equation 6."""
        assert batch.y is not None
        x = torch.cat([batch.x, batch.y])
        q = self.posterior(x)
        one, other = map(Posterior, q.mean.chunk(2), q.scale.chunk(2))
        one, other = shared_where_alike(one, other, self.variant)
        q = Posterior(torch.cat([one.mean, other.mean]), torch.cat([one.scale, other.scale]))
        reconstruction = losses.bernoulli(self.decoder(q.sample()), x)
        kl = q.kl().sum()
        self.logs |= {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        yield "elbo", reconstruction + self.beta * kl


def shared_where_alike(
    one: Posterior, other: Posterior, variant: str
) -> tuple[Posterior, Posterior]:
    """Return both posteriors, of (B, L), with the latents that agree averaged.

    A latent agrees in a pair if KL(q1 || q2) is below the middle of the range over latents.
    """
    distance = ((one.mean - other.mean) / other.scale).square()
    ratio = (one.scale / other.scale).square()
    kl = 0.5 * (ratio + distance - 1 - ratio.log())
    low, high = kl.aminmax(dim=1, keepdim=True)
    alike, average = kl < (low + high) / 2, _average(one, other, variant)
    return _where(alike, average, one), _where(alike, average, other)


def _where(alike: Tensor, average: Posterior, own: Posterior) -> Posterior:
    mean = torch.where(alike, average.mean, own.mean)
    return Posterior(mean, torch.where(alike, average.scale, own.scale))


def _average(one: Posterior, other: Posterior, variant: str) -> Posterior:
    variance1, variance2 = one.scale.square(), other.scale.square()
    if variant == "gvae":
        return Posterior((one.mean + other.mean) / 2, ((variance1 + variance2) / 2).sqrt())
    mean = (one.mean * variance2 + other.mean * variance1) / (variance1 + variance2)
    return Posterior(mean, (2 * variance1 * variance2 / (variance1 + variance2)).sqrt())
