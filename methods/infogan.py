"""InfoGAN: Chen et al., NeurIPS 2016, https://arxiv.org/abs/1606.03657.

min over G, Q, max over D: V(D, G) - lam L_I(G, Q), equation 6; L_I = E log Q(c | x) + H(c) is a
lower bound of the mutual information of codes and images, equation 5. As in the authors' code, both
networks' losses hold the term, and Q's continuous codes have a fixed variance of 1.

Layouts and networks are those of its appendix C. Where its text and its tables disagree (SVHN,
chairs) the layout is the one whose inputs add up to the table's total. The networks of its colour
tables work on images in [-1, 1]: a sigmoid of twice the input is their tanh in [0, 1].
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS, unknown
from datasets.base import Spec
from methods import adversarial, losses, nets
from methods.base import Batch, Code, Method
from methods.nets import one_hot

LEAK = 0.1


@dataclass(frozen=True)
class Layout:
    """A row of the appendix.

    Attributes:
        categorical: the sizes of the categorical codes.
        continuous, noise: how many codes in U(-1, 1), and how many inputs that are no code.
        conv: (width, stride) of each convolution of the trunk that D and Q share.
        features: width of the trunk's fully connected layer; 0 for none.
        q_hidden, q_norm: width of Q's own hidden layer, 0 for none; whether it has batch norm.
        fc: widths of the generator's hidden fully connected layers before the image.
        start: (width, side) of the image that the generator's transposed convolutions start from.
        upconv: (width, stride, batch norm) of each of them but the last, which has stride 2.
        tanh: whether the networks work on images in [-1, 1].
    """

    categorical: tuple[int, ...]
    continuous: int
    noise: int
    conv: tuple[tuple[int, int], ...] = ()
    features: int = 1024
    q_hidden: int = 128
    q_norm: bool = True
    fc: tuple[int, ...] = (1024,)
    start: tuple[int, int] = (0, 0)
    upconv: tuple[tuple[int, int, bool], ...] = ()
    tanh: bool = False

    @property
    def inputs(self) -> int:
        """The generator's inputs, categorical codes as one-hot vectors."""
        return sum(self.categorical) + self.continuous + self.noise

    @property
    def codes(self) -> tuple[Code, ...]:
        """The columns of z."""
        n = len(self.categorical)
        categorical = (Code(f"c{i}", "categorical", k) for i, k in enumerate(self.categorical, 1))
        continuous = (Code(f"c{n + i + 1}", "uniform") for i in range(self.continuous))
        noise = (Code(f"noise{i + 1}", "noise") for i in range(self.noise))
        return (*categorical, *continuous, *noise)


COLOUR = {
    "conv": ((64, 2), (128, 2), (256, 2)),
    "features": 0,
    "fc": (),
    "start": (448, 2),
    "upconv": ((256, 2, True), (128, 2, False), (64, 2, False)),
    "tanh": True,
}

LAYOUTS = {
    "mnist": Layout(
        (10,), 2, 62, conv=((64, 2), (128, 2)), start=(128, 7), upconv=((64, 2, True),)
    ),
    "svhn": Layout((10,) * 4, 4, 124, **COLOUR),  # type: ignore[arg-type]
    "celeba_32": Layout((10,) * 10, 0, 128, **COLOUR),  # type: ignore[arg-type]
    "faces3d_32": Layout(
        (), 5, 128, conv=((64, 2), (128, 2)), q_hidden=0, start=(128, 8), upconv=((64, 2, True),)
    ),
    "chairs": Layout(
        (20,) * 3,
        1,
        128,
        conv=((64, 2), (128, 2), (256, 2), (256, 1), (256, 1)),
        q_hidden=0,
        start=(256, 8),
        upconv=((256, 1, True), (256, 1, True), (128, 2, True), (64, 2, True)),
    ),
}


def layout(spec: Spec) -> Layout:
    """Return the paper's layout, or ours: c1 with the label's size and five continuous codes.

    On dSprites that is a categorical code of three and, as in InfoGAN-CR (Lin et al., ICML 2020,
    https://arxiv.org/abs/1906.06034), five continuous codes and five inputs of noise.
    """
    column = spec.label_column
    label = () if column is None else (spec.factor_sizes[column],)
    return LAYOUTS.get(spec.name, Layout(label, 5, 5, q_norm=False))


@METHODS.register(
    "infogan",
    source="Chen et al., InfoGAN, NeurIPS 2016, https://arxiv.org/abs/1606.03657",
    version=2,
)
class InfoGAN(Method):
    """A GAN that maximises the mutual information of its codes and the generated image.

    Args:
        spec: the data set; it picks the paper's layout of codes.
        lam: weight of L_I for categorical codes, lam_continuous for continuous ones.
        inform: False gives the paper's control of figure 1: Q is fitted to a plain GAN.
        lr_d, lr_g: Adam's learning rates.
        batch_size: images a batch; the published code's 128 is of MNIST, the paper names none.
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
        self.codes = plan.codes
        self.lam, self.lam_continuous = lam, lam_continuous
        self.inform = inform
        self.lr_d, self.lr_g, self.batch_size, self.nets = lr_d, lr_g, batch_size, nets
        self.generator, self.trunk, features = networks(spec, plan, nets == "paper")
        self.head = nn.Linear(features, 1)
        self.q = _q(features, plan, sum(plan.categorical) + plan.continuous)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one Adam for D with Q, and one for G."""
        d = nn.ModuleList([self.trunk, self.head, self.q])
        return adversarial.optimisers(d, self.generator, self.lr_d, self.lr_g)

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
        hot = [one_hot(z[:, i], n) for i, n in enumerate(self.sizes)]
        return torch.sigmoid(self.generator(torch.cat([*hot, z[:, len(self.sizes) :]], 1)))


def _q(features: int, plan: Layout, outputs: int) -> nn.Module:
    if not plan.q_hidden:
        return nn.Linear(features, outputs)
    norm = [nn.BatchNorm1d(plan.q_hidden)] if plan.q_norm else []
    layers = nn.Linear(features, plan.q_hidden), *norm, nn.LeakyReLU(LEAK)
    q = nn.Sequential(*layers, nn.Linear(plan.q_hidden, outputs))
    nets.dcgan_init(q)
    return q


def networks(spec: Spec, plan: Layout, paper: bool) -> tuple[nn.Module, nn.Module, int]:
    """Return the generator (B, inputs) -> logits of pixels, the trunk, and the trunk's features.

    Raises:
        UserError: the paper's are asked for, and it has none for this data set.
    """
    if not paper:
        made = nets.generator(spec.shape, plan.inputs), nets.trunk(spec.shape, LEAK)
        return *made, nets.FEATURES
    if spec.name not in LAYOUTS:
        raise unknown("data set with networks of InfoGAN's paper", spec.name, LAYOUTS)
    generator, (trunk, features) = _generator(spec, plan, plan.inputs), _trunk(spec, plan)
    nets.dcgan_init(generator)
    nets.dcgan_init(trunk)
    return generator, trunk, features


def _generator(spec: Spec, plan: Layout, inputs: int) -> nn.Sequential:
    width, side = plan.start
    layers: list[nn.Module] = []
    for outputs in (*plan.fc, width * side * side):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    layers.append(nn.Unflatten(1, (width, side, side)))
    for outputs, stride, norm in plan.upconv:
        layers += _up(width, outputs, stride)
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU(inplace=True))
        width = outputs
    layers += _up(width, spec.shape[0], 2)
    return nn.Sequential(*layers, *([nets.Affine(2)] if plan.tanh else []))


def _trunk(spec: Spec, plan: Layout) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = [nets.Affine(2, -1)] if plan.tanh else []
    width, side = spec.shape[0], spec.shape[1]
    for i, (outputs, stride) in enumerate(plan.conv):
        layers += _down(width, outputs, stride)
        layers += [nn.BatchNorm2d(outputs)] if i else []
        layers.append(nn.LeakyReLU(LEAK, inplace=True))
        width, side = outputs, side // stride
    flat, features = width * side * side, plan.features
    layers.append(nn.Flatten())
    if not features:
        return nn.Sequential(*layers), flat
    layers += [nn.Linear(flat, features), nn.BatchNorm1d(features)]
    return nn.Sequential(*layers, nn.LeakyReLU(LEAK, inplace=True)), features


def _down(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    if stride == 2:
        return [nn.Conv2d(inputs, outputs, 4, 2, 1)]
    return [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 4)]


def _up(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    if stride == 2:
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    return [nn.ConvTranspose2d(inputs, outputs, 4), nn.ZeroPad2d((-1, -2, -1, -2))]
