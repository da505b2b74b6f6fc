"""The posterior of codes: a normal distribution with independent latents.

Kingma & Welling, Auto-Encoding Variational Bayes, 2014, https://arxiv.org/abs/1312.6114.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """q(z | x) = N(mean, scale^2) of each image.

    Attributes:
        mean: (B, L).
        scale: (B, L), the standard deviations.
    """

    mean: Tensor
    scale: Tensor

    def sample(self) -> Tensor:
        """Return z (B, L), one reparametrised sample an image (section 2.4); torch's generator."""
        return self.mean + self.scale * torch.randn_like(self.mean)

    def kl(self) -> Tensor:
        """Return KL(q(z | x) || N(0, 1)) of each latent (L,), averaged over the batch, in nats."""
        squares = self.mean.square() + self.scale.square()
        return 0.5 * (squares - 2 * self.scale.log() - 1).mean(0)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of each latent at z, broadcast against (B, L), in nats."""
        standardised = (z - self.mean) / self.scale
        return -0.5 * (standardised.square() + math.log(2 * math.pi)) - self.scale.log()
