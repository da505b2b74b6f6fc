"""InfoGAN: Chen et al., NeurIPS 2016, https://arxiv.org/abs/1606.03657.

min over G, Q, max over D: V(D, G) - lam L_I(G, Q), equation 6; L_I = E log Q(c | x) + H(c) is a
lower bound of the mutual information of codes and images, equation 5. As in the authors' code, both
players' losses hold the term, and Q's continuous codes have a fixed variance of 1.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, nets
from methods.base import Batch, Code, Method, adam
from methods.infogan_nets import LAYOUTS, LEAK, Layout, layout, networks


@METHODS.register(
    "infogan",
    source="Chen et al., InfoGAN, NeurIPS 2016, https://arxiv.org/abs/1606.03657",
    version=1,
)
class InfoGAN(Method):
    """A GAN whose generator is asked to keep its codes legible in the image.

    Args:
        spec: the data set; it picks the paper's layout of codes.
        lam: weight of L_I for categorical codes, lam_continuous for continuous ones.
        inform: False gives the paper's control of figure 1: Q is fitted to a plain GAN.
        lr_d, lr_g: Adam's learning rates.
        batch_size: images a batch.
        nets: `shared` by all methods, or the `paper`'s, of which it has one a data set.

    The settings for 3D faces and chairs are those of the figures of pose and rotation in the paper;
    where it has no networks, the weights like the networks are InfoGAN-CR's for dSprites. Its
    faster D, 2e-3, is not: with one step of G for one of D, D wins, or three images are all that G
    draws.
    """

    paper_steps = {"": 322_560, "mnist": 5_000}
    paper_settings = {
        **{name: {"nets": "paper"} for name in LAYOUTS},
        "faces3d_32": {"nets": "paper", "lr_g": 5e-4, "lam_continuous": 0.2},
        "chairs": {"nets": "paper", "lam_continuous": 10.0},
        "": {"lam": 0.05, "lam_continuous": 0.05, "batch_size": 64},
    }

    def __init__(
        self,
        spec: Spec,
        *,
        lam: float = 1.0,
        lam_continuous: float = 1.0,
        inform: bool = True,
        lr_d: float = 2e-4,
        lr_g: float = 1e-3,
        batch_size: int = 128,
        nets: Literal["shared", "paper"] = "shared",
    ) -> None:
        super().__init__()
        plan = layout(spec)
        self.sizes = plan.categorical
        self.codes = _codes(plan)
        self.lam, self.lam_continuous = lam, lam_continuous
        self.inform = inform
        self.lr_d, self.lr_g, self.batch_size, self.nets = lr_d, lr_g, batch_size, nets
        self.generator, self.trunk, features = networks(spec, plan, nets == "paper")
        self.head = nn.Linear(features, 1)
        self.q = _q(features, plan, sum(plan.categorical) + plan.continuous)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam for D with Q, and one for G."""
        d = nn.ModuleList([self.trunk, self.head, self.q])
        return {
            "d": adam(d, self.lr_d, betas=(0.5, 0.999)),
            "g": adam(self.generator, self.lr_g, betas=(0.5, 0.999)),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield D's loss with Q's, then G's, on the same fake images."""
        z = self.sample(len(batch.x), batch.x.device)
        fake = self.decode(z)
        features = self.trunk(fake.detach())
        game = losses.discriminator(self.head(self.trunk(batch.x)), self.head(features))
        yield "d", game - self.information(features if self.inform else features.detach(), z)
        features = self.trunk(fake)
        game = losses.non_saturating(self.head(features))
        yield "g", game - self.information(features, z) if self.inform else game

    def information(self, features: Tensor, z: Tensor) -> Tensor:
        """Return lam L_I of equation 5, in nats."""
        discrete, mean = self.read(features)
        terms = [
            math.log(size) - F.cross_entropy(logits, z[:, i].long())
            for i, (size, logits) in enumerate(zip(self.sizes, discrete, strict=True))
        ]
        c = z[:, len(self.sizes) : len(self.sizes) + mean.shape[1]]
        continuous = mean.shape[1] * math.log(2) - losses.gaussian_nll(mean, c)
        categorical = torch.stack(terms).sum() if terms else torch.zeros_like(continuous)
        self.logs |= {"L_I": categorical.detach(), "L_I_continuous": continuous.detach()}
        return self.lam * categorical + self.lam_continuous * continuous

    def read(self, features: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return Q's logits of each categorical code, and the means (B, n) of the others."""
        *discrete, mean = self.q(features).float().split([*self.sizes, self._continuous()], dim=1)
        return discrete, mean

    def _continuous(self) -> int:
        return len(self.informative) - len(self.sizes)

    def encode(self, batch: Batch) -> Tensor:
        """Return Q of real images: the likeliest category, the mean of a continuous code."""
        discrete, mean = self.read(self.trunk(batch.x))
        return torch.cat([*(logits.argmax(1, keepdim=True) for logits in discrete), mean], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z), the categories of z as one-hot vectors."""
        # F.one_hot would check its input, and wait for the device.
        hot = [z[:, i, None] == torch.arange(n, device=z.device) for i, n in enumerate(self.sizes)]
        return torch.sigmoid(self.generator(torch.cat([*hot, z[:, len(self.sizes) :]], 1)))


def _codes(plan: Layout) -> tuple[Code, ...]:
    n = len(plan.categorical)
    categorical = (Code(f"c{i + 1}", "categorical", s) for i, s in enumerate(plan.categorical))
    continuous = (Code(f"c{n + i + 1}", "uniform") for i in range(plan.continuous))
    noise = (Code(f"noise{i + 1}", "noise") for i in range(plan.noise))
    return (*categorical, *continuous, *noise)


def _q(features: int, plan: Layout, outputs: int) -> nn.Module:
    if not plan.q_hidden:
        return nn.Linear(features, outputs)
    norm = [nn.BatchNorm1d(plan.q_hidden)] if plan.q_norm else []
    layers = nn.Linear(features, plan.q_hidden), *norm, nn.LeakyReLU(LEAK)
    q = nn.Sequential(*layers, nn.Linear(plan.q_hidden, outputs))
    nets.dcgan_init(q)
    return q
