"""pix2pix: Isola et al., Image-to-Image Translation with Conditional Adversarial Nets, CVPR 2017.

https://arxiv.org/abs/1611.07004, equation 4 and appendix. The pairs are images that differ in one
factor: the method learns to change it. Both networks work on images in [-1, 1], and a sigmoid of
twice the input is the paper's tanh in [0, 1].
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS, UserError
from datasets.base import Spec
from methods import adversarial, losses
from methods.base import Batch, Method, normal_codes
from methods.nets import Affine, Crop, Pad, Shape, dcgan_init, smallest

WIDTHS = (1, 2, 4, 8, 8, 8, 8, 8)
"""Channels after each convolution, of the first one's."""


@METHODS.register(
    "pix2pix",
    source="Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, "
    "CVPR 2017, https://arxiv.org/abs/1611.07004",
    version=2,
)
class Pix2Pix(Method):
    """Translates an image into one that differs in one factor; its bottleneck serves as the code.

    Args:
        spec: the data set; it has factors.
        factor: the factor that pairs differ in, counted from 1.
        lam: weight of the L1 distance; 0 leaves the conditional GAN. The paper's 100 is of 256x256
            pixels in [-1, 1]. Here they are in [0, 1], which halves the distance, and images are
            smaller: it is not tuned for them.
        adversarial: False leaves the L1 distance.
        lr: Adam's learning rate of both networks.
        width: channels after the first convolution of both networks.
        d_layers: how many convolutions of stride 2 D has, fewer on small images: it judges patches
            of 16, 34, 70 or 142 pixels a side for 1, 2, 3 or 4. The paper's 70 are a quarter of its
            images' side; over 64x64 such a patch has all of the image, and 16 are a quarter.
        batch_size: pairs a batch; the paper has 1 of 256x256 pixels.
    """

    sees = "pairs"
    paper_steps = {"": 200_000}

    def __init__(
        self,
        spec: Spec,
        *,
        factor: int = 1,
        lam: float = 100.0,
        adversarial: bool = True,
        lr: float = 2e-4,
        width: int = 64,
        d_layers: int = 3,
        batch_size: int = 16,
    ) -> None:
        super().__init__()
        if factor > len(spec.factor_sizes):
            k = len(spec.factor_sizes)
            raise UserError(f"pix2pix.factor={factor}: {spec.name} has {k} factors")
        self.factor, self.pair_factor = factor, factor - 1
        self.lam, self.adversarial, self.lr = lam, adversarial, lr
        self.width, self.d_layers, self.batch_size = width, d_layers, batch_size
        self.generator = UNet(spec.shape, width)
        self.discriminator = patch_gan(spec.shape, width, d_layers)
        self.codes = normal_codes(self.generator.bottleneck)
        self.apply(dcgan_init)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam for each network."""
        return adversarial.optimisers(self.discriminator, self.generator, self.lr, self.lr)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield half of D's loss on pairs, then G's with the L1 distance: equation 4."""
        assert batch.y is not None
        x, y, fake = batch.x, batch.y, self.translate(batch.x)
        l1 = (y - fake.float()).abs().mean()
        self.logs["l1"] = l1.detach()
        if self.adversarial:
            yield "d", losses.discriminator(self.logits(x, y), self.logits(x, fake.detach())) / 2
            yield "g", losses.non_saturating(self.logits(x, fake)) + self.lam * l1
        else:
            yield "g", self.lam * l1

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits, one a patch, that y is the real partner of x."""
        found: Tensor = self.discriminator(torch.cat([x, y.to(x.dtype)], 1))
        return found

    def translate(self, x: Tensor) -> Tensor:
        """Return the images (B, C, H, W) that x is turned into; dropout is the noise, always on."""
        return torch.sigmoid(self.generator(x))

    def encode(self, batch: Batch) -> Tensor:
        """Return the U-Net's bottleneck."""
        return self.generator.down(batch.x)[-1].flatten(1).float()


class UNet(nn.Module):
    """An encoder to an image of one pixel or so, and a decoder with every stage of it as input.

    Args:
        shape: (C, H, W) of an image.
        width: channels after the first convolution.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        n = next(n for n in range(32) if max(shape[1:]) <= 2**n)
        widths = (shape[0], *(width * factor for factor in WIDTHS[:n]))
        self.enter = nn.Sequential(Pad(shape, n), Affine(2, -1))
        self.leave = nn.Sequential(Crop(shape, n), Affine(2))
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
        """Return logits of the other image (B, C, H, W)."""
        stages = self.down(x)
        y = stages.pop()
        for up in self.ups:
            y = up(y)
            if stages:
                y = torch.cat([y, stages.pop()], 1)
        image: Tensor = self.leave(y)
        return image

    def down(self, x: Tensor) -> list[Tensor]:
        """Return the encoder's stages."""
        x, stages = self.enter(x), []
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


def patch_gan(shape: Shape, width: int = 64, halvings: int = 3) -> nn.Sequential:
    """Return the discriminator of pairs of images (B, 2C, H, W): logits (B, 1, h, w), one a patch.

    Args:
        shape: (C, H, W) of an image.
        width: channels after the first convolution.
        halvings: how many convolutions have stride 2; fewer where less than 4x4 would be left.
    """
    halvings = min(halvings, min(shape[1:]).bit_length() - 3)
    widths = [width * factor for factor in WIDTHS[: halvings + 1]]
    layers: list[nn.Module] = [Affine(2, -1), nn.Conv2d(2 * shape[0], width, 4, 2, 1)]
    layers.append(nn.LeakyReLU(0.2))
    for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
        stride = 2 if i < halvings else 1
        layers += [nn.Conv2d(a, b, 4, stride, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
