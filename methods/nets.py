"""The networks that methods share, for images of any size.

Widths and kernels are those of the field's common architecture: Locatello et al., Challenging
Common Assumptions, ICML 2019, https://arxiv.org/abs/1811.12359, table 1, with the paper's 4x4
kernels. The adversarial pair is the one that InfoGAN-CR trains on dSprites: Lin et al., ICML 2020,
https://arxiv.org/abs/1906.06034.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = (32, 32, 64, 64)
FEATURES = 128
Shape = tuple[int, int, int]


class Pad(nn.Module):
    """Zero borders up to the next multiple of 2^halvings, so that every stride divides evenly."""

    def __init__(self, shape: Shape, halvings: int) -> None:
        super().__init__()
        self.borders = _borders(shape, halvings)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, C, H, W) with borders."""
        return F.pad(x, self.borders) if any(self.borders) else x


class Crop(nn.Module):
    """Cuts the borders of `Pad` off again."""

    def __init__(self, shape: Shape, halvings: int) -> None:
        super().__init__()
        self.borders = tuple(-b for b in _borders(shape, halvings))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, C, H, W) without borders."""
        return F.pad(x, self.borders) if any(self.borders) else x


class Affine(nn.Module):
    """x -> scale x + shift, for networks that work on another range than [0, 1].

    `Affine(2, -1)` turns images into [-1, 1]; the sigmoid of `Affine(2)` is (tanh + 1) / 2.
    """

    def __init__(self, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Return scale x + shift."""
        return self.scale * x + self.shift


def _borders(shape: Shape, halvings: int) -> tuple[int, int, int, int]:
    h, w = (-side % 2**halvings for side in shape[1:])
    return w // 2, w - w // 2, h // 2, h - h // 2


def smallest(shape: Shape, halvings: int) -> tuple[int, int]:
    """Return the height and width that are left after that many strides of 2."""
    h, w = (math.ceil(side / 2**halvings) for side in shape[1:])
    return h, w


def encoder(
    shape: Shape,
    outputs: int,
    widths: Sequence[int] = WIDTHS,
    kernels: Sequence[int] = (4, 4, 4, 4),
    hidden: Sequence[int] = (256,),
) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, outputs): convolutions of stride 2, then linear layers.

    Args:
        shape: (C, H, W) of an image.
        outputs: how many numbers come out.
        widths: channels after each convolution.
        kernels: the sides of their kernels, 2 or 4.
        hidden: widths of the hidden linear layers.
    """
    h, w = smallest(shape, len(widths))
    layers: list[nn.Module] = [Pad(shape, len(widths))]
    for a, b, k in zip((shape[0], *widths), widths, kernels, strict=False):
        layers += [nn.Conv2d(a, b, k, 2, k // 2 - 1), nn.ReLU(inplace=True)]
    layers += [nn.Flatten(), *mlp((widths[-1] * h * w, *hidden, outputs), nn.ReLU)]
    return nn.Sequential(*layers)


def decoder(
    shape: Shape, inputs: int, widths: Sequence[int] = WIDTHS, hidden: Sequence[int] = (256,)
) -> nn.Sequential:
    """Return z (B, inputs) -> logits (B, C, H, W): the mirror image of `encoder`."""
    h, w = smallest(shape, len(widths))
    widths = widths[::-1]
    layers: list[nn.Module] = [
        *mlp((inputs, *hidden, widths[0] * h * w), nn.ReLU),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (widths[0], h, w)),
    ]
    for a, b in zip(widths, (*widths[1:], shape[0]), strict=True):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1], Crop(shape, len(widths)))


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Return linear layers of these widths, with an activation between every two."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), activation()]
    return layers[:-1]


def generator(shape: Shape, inputs: int) -> nn.Sequential:
    """Return z (B, inputs) -> logits (B, C, H, W): batch norm and ReLU."""
    h, w = smallest(shape, len(WIDTHS))
    widths = WIDTHS[::-1]
    layers: list[nn.Module] = [
        nn.Linear(inputs, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(inplace=True),
        nn.Linear(128, widths[0] * h * w),
        nn.BatchNorm1d(widths[0] * h * w),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (widths[0], h, w)),
    ]
    for a, b in itertools.pairwise(widths):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
    last = nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1)
    return nn.Sequential(*layers, last, Crop(shape, len(WIDTHS)))


def trunk(shape: Shape, leak: float = 0.1, spectral: bool = True) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, FEATURES), the body of a discriminator or critic.

    A discriminator's norm is spectral, not of the batch: with batch norm D tells an InfoGAN's first
    images from real ones for good, and the codes end in noise that Q can read.
    Miyato et al., Spectral Normalization, ICLR 2018, https://arxiv.org/abs/1802.05957. A critic has
    none: what keeps it Lipschitz is its method.
    """
    norm: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda module: module
    h, w = smallest(shape, len(WIDTHS))
    layers: list[nn.Module] = [Pad(shape, len(WIDTHS))]
    for a, b in zip((shape[0], *WIDTHS), WIDTHS, strict=False):
        layers += [norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(leak, inplace=True)]
    flat = WIDTHS[-1] * h * w
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        norm(nn.Linear(flat, FEATURES)),
        nn.LeakyReLU(leak, inplace=True),
    )


def discriminator(shape: Shape, spectral: bool = True) -> nn.Sequential:
    """Return (B, C, H, W) -> (B, 1): the trunk and a linear head."""
    return nn.Sequential(trunk(shape, spectral=spectral), nn.Linear(FEATURES, 1))


def one_hot(labels: Tensor, n: int) -> Tensor:
    """Return labels (B,) in 0..n-1 as one-hot vectors (B, n) of booleans."""
    # F.one_hot would check its input, and wait for the device.
    return labels[:, None] == torch.arange(n, device=labels.device)


def glorot_init(module: nn.Module) -> None:
    """Draw weights as TensorFlow does by default, from `glorot_uniform`; biases are 0.

    Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks,
    AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html, equation 16. An encoder's codes
    are then some ten times larger before training than with PyTorch's default.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def dcgan_init(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and batch norm's gains from N(1, 0.02), as DCGAN and InfoGAN do.

    Radford et al., DCGAN, ICLR 2016, https://arxiv.org/abs/1511.06434, section 4.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0, 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)
