"""AnnealedVAE: Burgess et al., Understanding disentangling in beta-VAE, 2018.

https://arxiv.org/abs/1804.03599, equation 8; values of Locatello et al. 2019,
https://arxiv.org/abs/1811.12359, table 3.
"""

from typing import Unpack

import torch
from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import vae_nets
from methods.posterior import Posterior
from methods.vae import VAE, Shared


@METHODS.register(
    "annealedvae",
    source="Burgess et al., Understanding disentangling in beta-VAE, 2018, "
    "https://arxiv.org/abs/1804.03599",
    version=2,
)
class AnnealedVAE(VAE):
    """Maximises E_q log p(x | z) - gamma |KL(q(z | x) || p(z)) - C|, with C rising from 0.

    Args:
        spec: the data set.
        gamma: weight of the deviation from the capacity.
        c_max: the capacity C that is reached in the end, in nats.
        c_steps: training steps until then.
        shared: the settings of `VAE`.
    """

    settings_with = {"nets=paper": {"": {"lr": 5e-4}}}
    paper_nets = staticmethod(vae_nets.burgess)
    step: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        gamma: float = 1000.0,
        c_max: float = 25.0,
        c_steps: int = 100_000,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(spec, **shared)
        self.gamma, self.c_max, self.c_steps = gamma, c_max, c_steps
        self.register_buffer("step", torch.zeros(()))  # saved with the weights, so that C resumes

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return gamma |KL - C|: equation 8."""
        c = self.c_max * (self.step / self.c_steps).clamp(max=1)
        self.step += 1
        self.logs["capacity"] = c
        return self.gamma * (kl - c).abs()
