"""The terms that objectives are made of: nats, in float32 whatever the nets compute in."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _Bernoulli(torch.autograd.Function):
    """sum softplus(y) - x y in few passes over memory; its gradient is sigmoid(y) - x."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        y = logits.float()
        # The argument of log is in [1, 2]: it is as good as log1p, and ten times as fast.
        soft = y.abs().neg_().exp_().add_(1).log_()
        return soft.add_(y.clamp(min=0)).sub_(y * x).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        grad = torch.sigmoid(logits.float()).sub_(x).mul_(grads[0])
        return grad.to(logits.dtype), None


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x | z), summed over pixels and averaged over the batch: a scalar.

    Args:
        logits: (B, C, H, W), of the probability that a pixel is 1.
        x: (B, C, H, W) in [0, 1].
    """
    if logits.dtype == torch.float32:
        total = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    else:
        total = _Bernoulli.apply(logits, x)
    return total / len(x)


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
