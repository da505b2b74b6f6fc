"""The networks of the VAE family: the shared ones, the papers', and disentanglement_lib's.

Each function returns an encoder (B, C, H, W) -> (B, 2 latents) and a decoder (B, latents) ->
logits (B, C, H, W).
"""

import itertools
import math
from typing import Literal

from torch import nn

from datasets.base import Spec
from methods import nets

Nets = Literal["shared", "paper", "dlib"]
Pair = tuple[nn.Module, nn.Module]


def shared(spec: Spec, latents: int) -> Pair:
    """Return the networks that every method is compared on: four convolutions of kernel 4."""
    return nets.encoder(spec.shape, 2 * latents), nets.decoder(spec.shape, latents)


def dlib(spec: Spec, latents: int) -> Pair:
    """Return those of disentanglement_lib's code, where two of the encoder's kernels are 2x2.

    Locatello et al. 2019, table 1, has 4x4: https://github.com/google-research/disentanglement_lib,
    issues 23 and 37. They are initialised as there, by TensorFlow's default.
    """
    encoder = nets.encoder(spec.shape, 2 * latents, kernels=(4, 4, 2, 2))
    decoder = nets.decoder(spec.shape, latents)
    nets.glorot_init(encoder)
    nets.glorot_init(decoder)
    return encoder, decoder


def dense(spec: Spec, latents: int) -> Pair:
    """Return the beta-VAE paper's fully connected networks: two layers of 1,200, and three of tanh.

    Higgins et al., beta-VAE, ICLR 2017, appendix A.1; beta-TCVAE has the same on dSprites.
    """
    pixels = math.prod(spec.shape)
    encoder = nets.mlp((pixels, 1200, 1200, 2 * latents), nn.ReLU)
    decoder = nets.mlp((latents, 1200, 1200, 1200, pixels), nn.Tanh)
    image = nn.Unflatten(1, spec.shape)
    return nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*decoder, image)


def higgins(spec: Spec, latents: int) -> Pair:
    """Return the beta-VAE paper's: fully connected on dSprites, convolutional elsewhere."""
    return dense(spec, latents) if spec.name == "dsprites" else shared(spec, latents)


def chen(spec: Spec, latents: int) -> Pair:
    """Return beta-TCVAE's: fully connected on dSprites; elsewhere convolutional with batch norm.

    Those have 512 features between image and codes: https://github.com/rtqichen/beta-tcvae,
    `ConvEncoder` and `ConvDecoder`.
    """
    if spec.name == "dsprites":
        return dense(spec, latents)
    channels, halvings, last = spec.shape[0], len(nets.WIDTHS), nets.WIDTHS[-1]
    side = nets.smallest(spec.shape, halvings)
    encoder: list[nn.Module] = [nets.Pad(spec.shape, halvings)]
    for a, b in itertools.pairwise((channels, *nets.WIDTHS)):
        encoder += _normed(nn.Conv2d(a, b, 4, 2, 1))
    encoder += [*_normed(nn.Conv2d(last, 512, side)), nn.Conv2d(512, 2 * latents, 1), nn.Flatten()]
    decoder = [nn.Unflatten(1, (latents, 1, 1)), *_normed(nn.ConvTranspose2d(latents, 512, 1))]
    decoder += _normed(nn.ConvTranspose2d(512, last, side))
    for a, b in itertools.pairwise(nets.WIDTHS[::-1]):
        decoder += _normed(nn.ConvTranspose2d(a, b, 4, 2, 1))
    decoder += [nn.ConvTranspose2d(nets.WIDTHS[0], channels, 4, 2, 1)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder, nets.Crop(spec.shape, halvings))


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU(inplace=True)]


def burgess(spec: Spec, latents: int) -> Pair:
    """Return those of Burgess et al. 2018: four convolutions of 32 and two layers of 256."""
    widths, hidden = (32, 32, 32, 32), (256, 256)
    encoder = nets.encoder(spec.shape, 2 * latents, widths, hidden=hidden)
    return encoder, nets.decoder(spec.shape, latents, widths, hidden)


def kim(spec: Spec, latents: int) -> Pair:
    """Return FactorVAE's: 128 features after the convolutions on dSprites, 256 elsewhere."""
    hidden = (128,) if spec.name == "dsprites" else (256,)
    encoder = nets.encoder(spec.shape, 2 * latents, hidden=hidden)
    return encoder, nets.decoder(spec.shape, latents, hidden=hidden)
