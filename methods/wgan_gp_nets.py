"""The networks of WGAN-GP's MNIST experiment, for images of any size.

Gulrajani et al., NeurIPS 2017, https://arxiv.org/abs/1704.00028, and its authors' code.
"""

import itertools

from torch import nn

from methods.dcgan_nets import halvings
from methods.nets import Crop, Pad, Shape, smallest


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


def pair(shape: Shape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return both."""
    return generator(shape, latents), critic(shape)
