"""The networks of DCGAN for images of any size: Radford et al., ICLR 2016.

https://arxiv.org/abs/1511.06434, section 3 and figure 1.
"""

import itertools

from torch import nn

from methods.nets import Crop, Pad, Shape, dcgan_init, smallest

SMALLEST = 4
WIDTH = 64


def halvings(shape: Shape) -> int:
    """Return how often an image is halved until its shorter side is at most 4."""
    return next(n for n in range(32) if min(shape[1:]) <= SMALLEST * 2**n)


def generator(shape: Shape, inputs: int, width: int) -> nn.Sequential:
    """Return z (B, inputs) -> (B, C, H, W) before tanh."""
    n = halvings(shape)
    widths = [width * 2 ** (n - 1 - i) for i in range(n)]
    layers: list[nn.Module] = [
        nn.Unflatten(1, (inputs, 1, 1)),
        nn.ConvTranspose2d(inputs, widths[0], smallest(shape, n), bias=False),
    ]
    for a, b in itertools.pairwise(widths):
        layers += [nn.BatchNorm2d(a), nn.ReLU(inplace=True)]
        layers.append(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False))
    layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1), Crop(shape, n))


def features(shape: Shape, width: int) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, width 2^(n-1), h, w), what D sees before it judges."""
    n = halvings(shape)
    layers: list[nn.Module] = [Pad(shape, n), nn.Conv2d(shape[0], width, 4, 2, 1, bias=False)]
    layers.append(nn.LeakyReLU(0.2, inplace=True))
    for i in range(n - 1):
        a, b = width * 2**i, width * 2 ** (i + 1)
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers)


def judge(shape: Shape, width: int) -> nn.Sequential:
    """Return the last convolution of D, over all that is left of the image: logits (B, 1)."""
    n = halvings(shape)
    last = nn.Conv2d(width * 2 ** (n - 1), 1, smallest(shape, n), bias=False)
    return nn.Sequential(last, nn.Flatten())


def pair(shape: Shape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return the generator and the discriminator, of the paper's width and first weights."""
    g = generator(shape, latents, WIDTH)
    d = nn.Sequential(features(shape, WIDTH), judge(shape, WIDTH))
    for net in (g, d):
        dcgan_init(net)
    return g, d
