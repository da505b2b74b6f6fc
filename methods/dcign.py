"""DC-IGN: Kulkarni, Whitney et al., Deep Convolutional Inverse Graphics Network, NeurIPS 2015.

https://arxiv.org/abs/1503.03167, section 3; the published code's variant is that of
https://github.com/willwhitney/dc-ign.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, vae_nets
from methods.base import Batch, adam
from methods.nets import Crop, Pad, smallest
from methods.vae import VAE

INVARIANCE = 1 / 100
HALVINGS = 3
Scheme = Literal["paper", "code", "none"]


@METHODS.register(
    "dcign",
    source="Kulkarni, Whitney et al., Deep Convolutional Inverse Graphics Network, NeurIPS 2015, "
    "https://arxiv.org/abs/1503.03167",
    version=3,
)
class DCIGN(VAE):
    """A VAE of batches in which one factor varies and one latent, or group of them, may.

    Every factor has a latent of its own, in order, except the intrinsic one: the label or, where
    there is none, the factor of most values, which is whose face or chair it is. All latents beyond
    are its group.

    Args:
        spec: the data set; it has factors.
        intrinsic: how many latents the intrinsic factor has.
        clamp: as in the `paper`: inactive latents are set to their mean in the batch, with
            1/100 of their distance from it as gradient; as in the authors' `code`: they are set
            to the first image's, with no gradient; `none`: a VAE of the same batches.
        ratio: the intrinsic factor varies in so many batches for one of each other. The paper has
            about 10, the code by default 1.
        lr: Adam's learning rate.
        batch_size: images a batch; the paper has 20.
        nets: `shared` by all methods, the `paper`'s of pooling and unpooling, or
            disentanglement_lib's.
    """

    sees = "one-factor"
    paper_steps = {"": 12_000}
    # z is of 200 with the three other factors of the paper's faces.
    settings_with = {"nets=paper": {"": {"intrinsic": 197}}}

    def __init__(
        self,
        spec: Spec,
        *,
        intrinsic: int = 6,
        clamp: Scheme = "paper",
        ratio: float = 10.0,
        lr: float = 5e-4,
        batch_size: int = 20,
        nets: vae_nets.Nets = "shared",
    ) -> None:
        k = len(spec.factor_sizes)
        own = spec.label_column
        own = int(np.argmax(spec.factor_sizes)) if own is None else own
        super().__init__(spec, latents=k - 1 + intrinsic, lr=lr, batch_size=batch_size, nets=nets)
        self.intrinsic, self.clamp, self.ratio = intrinsic, clamp, ratio
        others = [factor for factor in range(k) if factor != own]
        self.groups = {factor: slice(i, i + 1) for i, factor in enumerate(others)}
        self.groups[own] = slice(k - 1, None)
        self.factor_weights = tuple(ratio if factor == own else 1.0 for factor in range(k))

    @staticmethod
    def paper_nets(spec: Spec, latents: int) -> vae_nets.Pair:
        """Return the paper's networks for images of any size."""
        return encoder(spec, latents), decoder(spec, latents)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam with the decay rates of the authors' `rmsprop`, which corrects for bias."""
        return {"elbo": adam(self, self.lr, betas=(0.9, 0.99))}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the negative ELBO of clamped codes, and what draws inactive ones together."""
        assert batch.active is not None
        q = self.posterior(batch.x)
        z = q.sample()
        active = torch.ones(z.shape[1], dtype=torch.bool, device=z.device)
        if self.clamp != "none":
            active = torch.zeros_like(active)
            active[self.groups[batch.active]] = True
        anchor = (z[:1] if self.clamp == "code" else z.mean(0, keepdim=True)).detach()
        reconstruction = losses.bernoulli(
            self.decoder(torch.where(active, z, anchor.expand_as(z))), batch.x
        )
        kl = (q.kl() * active).sum()
        self.logs |= {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        yield "elbo", reconstruction + kl + self.invariance(z, anchor, active)

    def invariance(self, z: Tensor, anchor: Tensor, active: Tensor) -> Tensor:
        """Return what has the gradient (z - mean) / 100 at inactive latents, an image."""
        if self.clamp == "code":
            return z.new_zeros(())
        return INVARIANCE / 2 * ((z - anchor).square() * ~active).sum(1).mean()


def encoder(spec: Spec, latents: int) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, 2 latents): 5x5 convolutions and max pooling, three times."""
    h, w = smallest(spec.shape, HALVINGS)
    layers: list[nn.Module] = [Pad(spec.shape, HALVINGS)]
    for a, b in ((spec.shape[0], 96), (96, 48), (48, 24)):
        layers += [nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * h * w, 2 * latents))


def decoder(spec: Spec, latents: int) -> nn.Sequential:
    """Return z (B, latents) -> logits (B, C, H, W): unpooling and 7x7 convolutions.

    The paper's convolutions have no border, and their images are cut to size by that; here they
    keep the size, which suits images of any.
    """
    h, w = smallest(spec.shape, HALVINGS)
    layers: list[nn.Module] = [
        nn.Linear(latents, 24 * h * w),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (24, h, w)),
    ]
    for a, b in ((24, 48), (48, 96), (96, 96)):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 7, padding=3)]
        layers.append(nn.ReLU(inplace=True))
    last = nn.Conv2d(96, spec.shape[0], 7, padding=3)
    return nn.Sequential(*layers, last, Crop(spec.shape, HALVINGS))
