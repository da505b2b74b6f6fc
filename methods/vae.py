"""VAE and beta-VAE.

Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014, https://arxiv.org/abs/1312.6114;
Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, equation 4. Networks
and optimiser are those of Locatello et al. 2019, https://arxiv.org/abs/1811.12359, tables 1 and 3;
`nets=paper` has those of Higgins et al., appendix A.1, whose table 1 has the VAE, too.
"""

from collections.abc import Iterator
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, vae_nets
from methods.base import Batch, Method, adagrad, adam, normal_codes
from methods.posterior import Posterior
from methods.vae_nets import Nets


class Shared(TypedDict, total=False):
    """The settings that `VAE` has, and with it every method of its family."""

    latents: int
    lr: float
    batch_size: int
    nets: Nets


HIGGINS: dict[str, dict[str, Any]] = {"dsprites": {"lr": 1e-2}, "": {"latents": 32}}
"""What the networks of Higgins et al. bring by data set; 0.01 is the rate of Adagrad."""
HIGGINS_BETAS = {
    **dict.fromkeys(("faces3d", "faces3d_32", "faces_drawn"), 20.0),
    **dict.fromkeys(("chairs", "chairs_rgb", "chairs_128"), 5.0),
    **dict.fromkeys(("celeba", "celeba_32"), 250.0),
}


@METHODS.register(
    "vae",
    source="Kingma & Welling, Auto-Encoding Variational Bayes, 2014, "
    "https://arxiv.org/abs/1312.6114",
    version=2,
)
class VAE(Method):
    """Maximises E_q log p(x | z) - KL(q(z | x) || p(z)): beta is 1.

    Args:
        spec: the data set.
        latents: how many codes.
        lr: Adam's learning rate.
        batch_size: images a batch.
        nets: `shared` by all methods, those of the `paper`, or of disentanglement_lib's code. The
            paper's bring its other settings; on dSprites, the optimiser is Adagrad.
    """

    paper_steps = {"": 300_000}
    settings_with = {"nets=paper": HIGGINS}
    paper_nets = staticmethod(vae_nets.higgins)

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        lr: float = 1e-4,
        batch_size: int = 64,
        nets: Nets = "shared",
    ) -> None:
        super().__init__()
        self.codes = normal_codes(latents)
        self.lr, self.batch_size, self.nets = lr, batch_size, nets
        made = {"shared": vae_nets.shared, "paper": self.paper_nets, "dlib": vae_nets.dlib}
        self.encoder, self.decoder = made[nets](spec, latents)
        of_higgins = nets == "paper" and self.paper_nets is vae_nets.higgins
        self.adagrad = of_higgins and spec.name == "dsprites"

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over both networks, or Adagrad with those that Higgins et al. train so."""
        return {"elbo": (adagrad if self.adagrad else adam)(self, self.lr)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield -E log p(x | z), plus what the method asks of its codes."""
        q = self.posterior(batch.x)
        z = q.sample()
        reconstruction = losses.bernoulli(self.decoder(z), batch.x)
        kl = q.kl().sum()
        self.logs |= {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        yield "elbo", reconstruction + self.regulariser(kl, q, z)

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return the second term of the loss, a scalar in nats; here the KL divergence itself.

        Args:
            kl: KL(q(z | x) || p(z)), summed over latents and averaged over the batch.
            q: the posterior q(z | x).
            z: (B, L), the sample of it that is decoded.
        """
        return kl

    def posterior(self, x: Tensor) -> Posterior:
        """Return q(z | x): the encoder gives means and logarithms of variances."""
        mean, logvar = self.encoder(x).float().chunk(2, dim=1)
        return Posterior(mean, torch.exp(logvar / 2))

    def encode(self, batch: Batch) -> Tensor:
        """Return the mean of q(z | x)."""
        return self.posterior(batch.x).mean

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z)."""
        return torch.sigmoid(self.decoder(z).float())


@METHODS.register(
    "betavae",
    source="Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl",
    version=2,
)
class BetaVAE(VAE):
    """Maximises E_q log p(x | z) - beta KL(q(z | x) || p(z)).

    Args:
        spec: the data set.
        beta: weight of the KL divergence.
        shared: the settings of `VAE`.
    """

    settings_with = {
        "nets=paper": HIGGINS
        | {name: {**HIGGINS[""], "beta": beta} for name, beta in HIGGINS_BETAS.items()}
    }

    def __init__(self, spec: Spec, *, beta: float = 4.0, **shared: Unpack[Shared]) -> None:
        super().__init__(spec, **shared)
        self.beta = beta

    def regulariser(self, kl: Tensor, q: Posterior, z: Tensor) -> Tensor:
        """Return beta KL: equation 4."""
        return self.beta * kl


@METHODS.register(
    "untrained",
    source="reference row of Higgins et al., beta-VAE, ICLR 2017, table 1, "
    "https://openreview.net/forum?id=Sy2fzU9gl",
    version=2,
)
class Untrained(VAE):
    """The VAE's encoder as it was initialised."""

    paper_steps = {"": 0}
    settings_with = {"nets=paper": {"dsprites": {}, "": HIGGINS[""]}}

    def optimisers(self) -> dict[str, Optimizer]:
        """Return nothing: it is not trained."""
        return {}
