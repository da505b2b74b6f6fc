"""WGAN-GP: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017.

https://arxiv.org/abs/1704.00028, equation 3 and algorithm 1.
"""

import itertools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.base import adam
from methods.dcgan import halvings
from methods.nets import Crop, Pad, Shape, smallest
from methods.wgan import WGAN


@METHODS.register(
    "wgan_gp",
    source="Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017, "
    "https://arxiv.org/abs/1704.00028",
    version=2,
)
class WGANGP(WGAN):
    """A WGAN whose critic pays for gradients of another norm than 1 between real and fake.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1).
        n_critic: steps of the critic for one of the generator.
        lam: weight of the gradient penalty.
        lr: Adam's learning rate of both.
        batch_size: images a batch; a step takes `n_critic` batches.
        nets: `shared` by all methods, or those of the `paper`'s MNIST experiment. Neither critic
            has batch norm, for which the penalty has no meaning. Weights start as PyTorch's do; the
            published code draws them from U(-a, a) with He's and Glorot's a.
    """

    settings_with = {"nets=paper": {"": {"latents": 128, "batch_size": 50}}}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        n_critic: int = 5,
        lam: float = 10.0,
        lr: float = 1e-4,
        batch_size: int = 64,
        nets: Literal["shared", "paper"] = "shared",
    ) -> None:
        given = {"latents": latents, "n_critic": n_critic, "batch_size": batch_size}
        super().__init__(spec, lr=lr, nets=nets, **given)
        self.lam = lam

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam for each network."""
        return {
            "critic": adam(self.critic, self.lr, betas=(0.5, 0.9)),
            "g": adam(self.generator, self.lr, betas=(0.5, 0.9)),
        }

    def value(self, x: Tensor) -> Tensor:
        """Return f(x), (B, 1)."""
        value: Tensor = self.critic(x).float()
        return value

    def penalty(self, x: Tensor, fake: Tensor) -> Tensor:
        """Return lam E (|grad f| - 1)^2 between real and fake images."""
        norm = gradient_norm(self.critic, x, fake)
        self.logs["gradient_norm"] = norm.detach().mean()
        return self.lam * (norm - 1).square().mean()

    @staticmethod
    def paper_nets(shape: Shape, latents: int) -> tuple[nn.Module, nn.Module]:
        """Return the networks of the MNIST experiment, in the authors' code."""
        return generator(shape, latents), critic(shape)

    def restrain(self) -> None:
        """Do nothing: weights may be of any size."""


def gradient_norm(critic: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    """Return the norm (B,) of the critic's gradient at random points between pairs of images."""
    share = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
    between = (share * x + (1 - share) * fake.to(x.dtype)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).float().sum(), between, create_graph=True)
    # The root of 0 has no derivative.
    return (gradient.float().flatten(1).square().sum(1) + 1e-12).sqrt()


def generator(shape: Shape, latents: int, dim: int = 64) -> nn.Sequential:
    """Return the generator of the MNIST experiment for images of any size: 5x5 kernels, ReLU."""
    n = halvings(shape)
    h, w = smallest(shape, n)
    widths = [dim * 2 ** (n - 1 - i) for i in range(n)]
    layers: list[nn.Module] = [
        nn.Linear(latents, widths[0] * h * w),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (widths[0], h, w)),
    ]
    for a, b in zip(widths, (*widths[1:], shape[0]), strict=True):
        layers += [nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1], Crop(shape, n))


def critic(shape: Shape, dim: int = 64) -> nn.Sequential:
    """Return the critic of the MNIST experiment for images of any size: 5x5 kernels, leak 0.2."""
    n = halvings(shape)
    h, w = smallest(shape, n)
    layers: list[nn.Module] = [Pad(shape, n)]
    widths = [shape[0], *(dim * 2**i for i in range(n))]
    for a, b in itertools.pairwise(widths):
        layers += [nn.Conv2d(a, b, 5, 2, 2), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * h * w, 1))
