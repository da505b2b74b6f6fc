"""The terms that objectives are made of: nats, in float32 whatever the nets compute in."""

import math

import torch.nn.functional as F
from torch import Tensor


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x | z), summed over pixels and averaged over the batch: a scalar.

    Args:
        logits: (B, C, H, W), of the probability that a pixel is 1.
        x: (B, C, H, W) in [0, 1].
    """
    return F.binary_cross_entropy_with_logits(logits.float(), x, reduction="sum") / len(x)


def non_saturating(fake: Tensor) -> Tensor:
    """Return the generator's loss -E log D(G(z)) from the logits of D.

    Goodfellow et al., Generative Adversarial Nets, 2014, section 3.
    """
    return F.softplus(-fake.float()).mean()


def discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))) from the logits of D: equation 1, negated."""
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def gaussian_nll(mu: Tensor, c: Tensor) -> Tensor:
    """Return -E log N(c; mu, 1), summed over codes: a scalar, in nats."""
    return 0.5 * ((c - mu.float()).square() + math.log(2 * math.pi)).sum(1).mean()
