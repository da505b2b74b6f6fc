"""pix2pix on a task of many right answers: a grey digit is to have a colour, any one."""

import torch
from torch import Tensor

from benchmark.claims.base import Lab, claim
from benchmark.claims.expected import Expected, Reported
from methods.pix2pix import Pix2Pix

STEPS = 3_000
COLOURED = 1_000


@claim(
    "pix2pix-colouring",
    source="Isola et al., pix2pix, CVPR 2017, https://arxiv.org/abs/1611.07004, section 4.2",
    says="L1 averages the right answers; with the conditional GAN, one of them is drawn",
    minutes=5,
    saturation_l1=Expected("grey where colours are equally likely", 0, 0.1),
    saturation_l1_cgan=Expected("as the data, 1", 0.9, 1),
    brightness_error_l1_cgan=Expected("0", 0, 0.05),
    brightness_error_l1=Reported("not stated"),
)
def pix2pix_colouring(lab: Lab, seed: int) -> dict[str, float]:
    """Teach grey digits to have a hue, with both losses and with L1 alone; measure on test digits.

    The paper's weight of L1, 100, is for 256x256 pixels; here it is 10, and networks have a quarter
    of the width.
    """
    l1, both = (coloured(lab, seed, adversarial) for adversarial in (False, True))
    return {
        "saturation_l1": l1[0],
        "saturation_l1_cgan": both[0],
        "brightness_error_l1_cgan": both[1],
        "brightness_error_l1": l1[1],
    }


@torch.no_grad()
def coloured(lab: Lab, seed: int, adversarial: bool) -> tuple[float, float]:
    """Return saturation and brightness error of grey test digits that were coloured."""
    given = {"width": 16, "lam": 10.0, "adversarial": adversarial}
    method, _ = lab.train("pix2pix", "mnist_hues", seed, STEPS, **given)
    assert isinstance(method, Pix2Pix)
    grey = lab.images("mnist", lab.data("mnist").test[:COLOURED])
    torch.manual_seed(seed)
    parts = torch.split(grey.expand(-1, 3, -1, -1), 100)
    return colour(torch.cat([method.translate(part).float() for part in parts]), grey)


def colour(y: Tensor, grey: Tensor) -> tuple[float, float]:
    """Return how saturated the images y (n, 3, H, W) of `grey` (n, 1, H, W) are, and how bright.

    Both are those of hue, saturation and value. Saturation, in [0, 1], is the mean over pixels
    weighted by how bright they are in grey; the brightness error is the mean of |value - grey|.
    """
    value, least = y.amax(1, keepdim=True), y.amin(1, keepdim=True)
    saturation = (value - least) / value.clamp(min=1e-6)
    vivid = (saturation * grey).sum() / grey.sum()
    return float(vivid), float((value - grey).abs().mean())
