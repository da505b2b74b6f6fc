"""The code layouts and networks of InfoGAN, by data set.

Chen et al., InfoGAN, NeurIPS 2016, https://arxiv.org/abs/1606.03657, appendix C. Where its text and
its tables disagree (SVHN, chairs) the layout is the one whose inputs add up to the table's total.
Images are in [0, 1] throughout, so the tanh of the colour tables is a sigmoid of twice the input.
"""

from dataclasses import dataclass

from torch import nn

from benchmark.registry import unknown
from datasets.base import Spec
from methods import nets

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

    @property
    def inputs(self) -> int:
        """The generator's inputs, categorical codes as one-hot vectors."""
        return sum(self.categorical) + self.continuous + self.noise


COLOUR = {
    "conv": ((64, 2), (128, 2), (256, 2)),
    "features": 0,
    "fc": (),
    "start": (448, 2),
    "upconv": ((256, 2, True), (128, 2, False), (64, 2, False)),
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
    return nn.Sequential(*layers, *_up(width, spec.shape[0], 2))


def _trunk(spec: Spec, plan: Layout) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = []
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
