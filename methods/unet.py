"""The networks of pix2pix for images of any size: Isola et al., CVPR 2017, appendix 6.1.

https://arxiv.org/abs/1611.07004
"""

import itertools

import torch
from torch import Tensor, nn

from methods.nets import Crop, Pad, Shape, smallest

WIDTHS = (1, 2, 4, 8, 8, 8, 8, 8)
"""Channels after each convolution, of the first one's."""


class UNet(nn.Module):
    """An encoder to an image of one pixel or so, and a decoder that sees every stage of it.

    Args:
        shape: (C, H, W) of an image.
        width: channels after the first convolution.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        n = next(n for n in range(32) if max(shape[1:]) <= 2**n)
        widths = (shape[0], *(width * factor for factor in WIDTHS[:n]))
        self.pad, self.crop = Pad(shape, n), Crop(shape, n)
        self.downs = nn.ModuleList(
            _down(a, b, 0 < i < n - 1) for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.ups = nn.ModuleList(
            _up(widths[i + 1] * (1 if i == n - 1 else 2), widths[i], i, n)
            for i in range(n - 1, -1, -1)
        )
        h, w = smallest(shape, n)
        self.bottleneck = widths[-1] * h * w

    def forward(self, x: Tensor) -> Tensor:
        """Return the other image (B, C, H, W), before tanh."""
        stages = self.down(x)
        y = stages.pop()
        for up in self.ups:
            y = up(y)
            if stages:
                y = torch.cat([y, stages.pop()], 1)
        image: Tensor = self.crop(y)
        return image

    def down(self, x: Tensor) -> list[Tensor]:
        """Return the encoder's stages."""
        x, stages = self.pad(x), []
        for down in self.downs:
            x = down(x)
            stages.append(x)
        return stages


def _down(inputs: int, outputs: int, norm: bool) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 4, 2, 1), *([nn.BatchNorm2d(outputs)] if norm else [])]
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))


class Noise(nn.Module):
    """Dropout that is on after training, too."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x with half of its numbers dropped."""
        return nn.functional.dropout(x, 0.5)


def _up(inputs: int, outputs: int, stage: int, stages: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    layers += [nn.BatchNorm2d(outputs)] if stage else []
    noisy = stage > 0 and stage >= stages - 3
    return nn.Sequential(*layers, *([Noise()] if noisy else []))


def patch_gan(shape: Shape, width: int = 64) -> nn.Sequential:
    """Return the discriminator of pairs of images (B, 2C, H, W): logits (B, 1, h, w), one a patch.

    A patch has 70x70 pixels, or 34x34 where the image is smaller than 32; `width` is the channels
    after the first convolution.
    """
    widths = [width * factor for factor in WIDTHS[: 4 if min(shape[1:]) >= 32 else 3]]
    layers: list[nn.Module] = [nn.Conv2d(2 * shape[0], widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
    for a, b in itertools.pairwise(widths):
        stride = 1 if b == widths[-1] else 2
        layers += [nn.Conv2d(a, b, 4, stride, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
