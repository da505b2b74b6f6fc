"""DCGAN: Radford et al., Unsupervised Representation Learning with DCGAN, ICLR 2016.

https://arxiv.org/abs/1511.06434, section 3 and figure 1. D sees images in [-1, 1], and a sigmoid of
twice the input is the paper's tanh in [0, 1]. Kernels, prior and batch are those of the authors'
Torch code, https://github.com/soumith/dcgan.torch; their first code, for Theano, has kernels of
5x5, z in U(-1, 1) and batches of 128.
"""

import itertools

from torch import nn

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.adversarial import Adversarial
from methods.base import normal_codes
from methods.nets import Affine, Crop, Pad, Shape, dcgan_init, smallest

SMALLEST = 4
WIDTH = 64


@METHODS.register(
    "dcgan",
    source="Radford et al., Unsupervised Representation Learning with Deep Convolutional "
    "Generative Adversarial Networks, ICLR 2016, https://arxiv.org/abs/1511.06434",
    version=2,
)
class DCGAN(Adversarial):
    """A GAN of convolutions of stride 2 alone, with batch norm and no hidden connected layer.

    Args:
        spec: the data set.
        latents: how many codes, N(0, 1).
        width: channels of the largest image in either network; they double as images halve.
        lr: Adam's learning rate of both networks.
        batch_size: images a batch.
    """

    generator: nn.Sequential

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 100,
        width: int = 64,
        lr: float = 2e-4,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.codes = normal_codes(latents)
        self.width, self.lr, self.batch_size = width, lr, batch_size
        self.lr_d = self.lr_g = lr
        self.generator = generator(spec.shape, latents, width)
        self.features = features(spec.shape, width)
        self.head = head(spec.shape, width)
        self.apply(dcgan_init)

    @property
    def discriminator(self) -> nn.Sequential:  # type: ignore[override]
        """D: `features`, by which the paper classifies, and `head`."""
        return nn.Sequential(self.features, self.head)


def halvings(shape: Shape) -> int:
    """Return how often an image is halved until its shorter side is at most 4."""
    return next(n for n in range(32) if min(shape[1:]) <= SMALLEST * 2**n)


def generator(shape: Shape, inputs: int, width: int) -> nn.Sequential:
    """Return z (B, inputs) -> logits (B, C, H, W)."""
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
    last = nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1, bias=False)
    return nn.Sequential(*layers, last, Crop(shape, n), Affine(2))


def features(shape: Shape, width: int) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, width 2^(n-1), h, w), the input of D's last layer."""
    n = halvings(shape)
    layers: list[nn.Module] = [Pad(shape, n), Affine(2, -1)]
    layers.append(nn.Conv2d(shape[0], width, 4, 2, 1, bias=False))
    layers.append(nn.LeakyReLU(0.2, inplace=True))
    for i in range(n - 1):
        a, b = width * 2**i, width * 2 ** (i + 1)
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers)


def head(shape: Shape, width: int) -> nn.Sequential:
    """Return the last convolution of D, over all that is left of the image: logits (B, 1)."""
    n = halvings(shape)
    last = nn.Conv2d(width * 2 ** (n - 1), 1, smallest(shape, n), bias=False)
    return nn.Sequential(last, nn.Flatten())


def pair(shape: Shape, latents: int) -> tuple[nn.Module, nn.Module]:
    """Return the generator and the discriminator, of the paper's width and first weights."""
    g = generator(shape, latents, WIDTH)
    d = nn.Sequential(features(shape, WIDTH), head(shape, WIDTH))
    for net in (g, d):
        dcgan_init(net)
    return g, d
