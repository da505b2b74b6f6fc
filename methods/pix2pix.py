"""pix2pix: Isola et al., Image-to-Image Translation with Conditional Adversarial Nets, CVPR 2017.

https://arxiv.org/abs/1611.07004, equation 4 and appendix. The pairs are images that differ in one
factor: the method learns to change it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmark.registry import METHODS, UserError
from datasets.base import Spec
from methods import losses
from methods.base import Batch, Method, adam, normal_codes
from methods.nets import dcgan_init
from methods.unet import UNet, patch_gan

BETAS = (0.5, 0.999)


@METHODS.register(
    "pix2pix",
    source="Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, "
    "CVPR 2017, https://arxiv.org/abs/1611.07004",
    version=1,
)
class Pix2Pix(Method):
    """Translates an image into one that differs in one factor; its bottleneck serves as the code.

    Args:
        spec: the data set; it has factors.
        factor: the factor that pairs differ in, counted from 1.
        lam: weight of the L1 distance; 0 leaves the conditional GAN.
        adversarial: False leaves the L1 distance.
        lr: Adam's learning rate of both players.
        width: channels after the first convolution of both players.
        batch_size: pairs a batch; the paper has 1.
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
        batch_size: int = 16,
    ) -> None:
        super().__init__()
        if factor > len(spec.factor_sizes):
            k = len(spec.factor_sizes)
            raise UserError(f"pix2pix.factor={factor}: {spec.name} has {k} factors")
        self.factor, self.pair_factor = factor, factor - 1
        self.lam, self.adversarial, self.lr = lam, adversarial, lr
        self.width, self.batch_size = width, batch_size
        self.generator = UNet(spec.shape, width)
        self.discriminator = patch_gan(spec.shape, width)
        self.codes = normal_codes(self.generator.bottleneck)
        self.apply(dcgan_init)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam a player."""
        return {
            "d": adam(self.discriminator, self.lr, betas=BETAS),
            "g": adam(self.generator, self.lr, betas=BETAS),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield half of D's loss on pairs, then G's with the L1 distance: equation 4."""
        assert batch.y is not None
        x, y, fake = batch.x, batch.y, self.translate(batch.x)
        l1 = (y - fake.float()).abs().mean()
        self.logs["l1"] = l1.detach()
        if self.adversarial:
            yield "d", losses.discriminator(self.judge(x, y), self.judge(x, fake.detach())) / 2
            yield "g", losses.non_saturating(self.judge(x, fake)) + self.lam * l1
        else:
            yield "g", self.lam * l1

    def judge(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits, one a patch, that y is the real partner of x."""
        logits: Tensor = self.discriminator(torch.cat([x, y.to(x.dtype)], 1))
        return logits

    def translate(self, x: Tensor) -> Tensor:
        """Return the images (B, C, H, W) that x is turned into; dropout is the noise, always on."""
        return torch.sigmoid(2 * self.generator(x))

    def encode(self, batch: Batch) -> Tensor:
        """Return the U-Net's bottleneck."""
        return self.generator.down(batch.x)[-1].flatten(1).float()
