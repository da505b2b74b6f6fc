"""beta-TCVAE: Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018.

https://arxiv.org/abs/1802.04942, equation 4 with alpha = gamma = 1. `nets=paper` has the networks,
rate and batch of the authors' code, https://github.com/rtqichen/beta-tcvae; its annealing of beta,
which is off there by default, is not here.
"""

import math
from typing import Unpack

from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import vae_nets
from methods.posterior import Posterior
from methods.vae import VAE, Shared


@METHODS.register(
    "betatcvae",
    source="Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, "
    "https://arxiv.org/abs/1802.04942",
    version=2,
)
class BetaTCVAE(VAE):
    """Maximises the ELBO - (beta - 1) TC(z): of the KL divergence, only total correlation pays.

    Args:
        spec: the data set.
        beta: weight of the total correlation; 1 leaves the VAE.
        shared: the settings of `VAE`.
    """

    settings_with = {"nets=paper": {"": {"lr": 1e-3, "batch_size": 2048}}}
    paper_nets = staticmethod(vae_nets.chen)

    def __init__(self, spec: Spec, *, beta: float = 6.0, **shared: Unpack[Shared]) -> None:
        super().__init__(spec, **shared)
        self.beta = beta

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return KL + (beta - 1) TC."""
        tc = total_correlation(z, q)
        self.logs["tc"] = tc.detach()
        return kl + (self.beta - 1) * tc


def total_correlation(z: Tensor, q: Posterior) -> Tensor:
    """Return KL(q(z) || prod_j q(z_j)), with q(z) the mixture of the batch's own posteriors.

    The paper's minibatch-weighted sampling (its appendix C.1) differs by a constant, (L - 1) times
    the log of the number of images: that changes no gradient, and this value, which is at most
    (L - 1) log B, can be compared between runs of one batch size.

    Args:
        z: (B, L), one sample of each posterior.
        q: the posteriors, of (B, L).
    """
    log_q = q.log_prob(z[:, None])  # (B, B, L): of sample i under j
    joint = log_q.sum(2).logsumexp(1) - math.log(len(z))
    marginals = (log_q.logsumexp(1) - math.log(len(z))).sum(1)
    return (joint - marginals).mean()
