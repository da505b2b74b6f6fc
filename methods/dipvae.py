"""DIP-VAE I and II: Kumar et al., Variational Inference of Disentangled Latent Concepts, ICLR 2018.

https://arxiv.org/abs/1711.00848, equations 6 and 7; weights as in Locatello et al. 2019,
https://arxiv.org/abs/1811.12359, table 3. The paper's own networks are not known here:
`nets=paper` has those of disentanglement_lib, too.
"""

from typing import Literal, Unpack

import torch
from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import vae_nets
from methods.posterior import Posterior
from methods.vae import VAE, Shared


@METHODS.register(
    "dipvae",
    source="Kumar et al., Variational Inference of Disentangled Latent Concepts, ICLR 2018, "
    "https://arxiv.org/abs/1711.00848",
    version=2,
)
class DIPVAE(VAE):
    """Maximises the ELBO while the covariance of the inferred codes is drawn to the identity.

    Args:
        spec: the data set.
        variant: `i` takes the covariance of the means, `ii` that of the samples.
        lambda_od: weight of the squared entries off the diagonal.
        lambda_d: weight of the squared deviations of the diagonal from 1, in units of `lambda_od`;
            the paper has 10 for `i` and 1 for `ii`, which `run` takes where none is given.
        shared: the settings of `VAE`.
    """

    settings_with = {"variant=ii": {"": {"lambda_d": 1.0}}}
    paper_nets = staticmethod(vae_nets.dlib)

    def __init__(
        self,
        spec: Spec,
        *,
        variant: Literal["i", "ii"] = "i",
        lambda_od: float = 10.0,
        lambda_d: float = 10.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(spec, **shared)
        self.variant, self.lambda_od, self.lambda_d = variant, lambda_od, lambda_d

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return KL plus the penalty of equation 6 or 7."""
        centred = q.mean - q.mean.mean(0)
        # Not a product of matrices, which autocast would round to bfloat16.
        covariance = (centred[:, :, None] * centred[:, None]).mean(0)
        if self.variant == "ii":
            covariance = covariance + torch.diag(q.scale.square().mean(0))
        diagonal = covariance.diagonal()
        off = (covariance - torch.diag(diagonal)).square().sum()
        on = (diagonal - 1).square().sum()
        penalty = self.lambda_od * (off + self.lambda_d * on)
        self.logs["penalty"] = penalty.detach()
        return kl + penalty
