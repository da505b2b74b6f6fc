"""cGAN: Mirza & Osindero, Conditional Generative Adversarial Nets, 2014.

https://arxiv.org/abs/1411.1784, equation 2.
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
from methods import losses
from methods.adversarial import Adversarial
from methods.base import Batch, Code, normal_codes, uniform_codes
from methods.maxout import Maxout, decaying, uniform_init
from methods.nets import Shape, discriminator, generator, one_hot


@METHODS.register(
    "cgan",
    source="Mirza & Osindero, Conditional Generative Adversarial Nets, 2014, "
    "https://arxiv.org/abs/1411.1784",
    version=2,
)
class CGAN(Adversarial):
    """A GAN of which both networks are conditioned on the label, which is its first code.

    Args:
        spec: the data set; it has a label.
        latents: how many codes beside the label, N(0, 1), or with the paper's nets U(-1, 1).
        nets: `shared` by all methods, with Adam: the label's one-hot vector joins the inputs of G
            and the image of D as constant channels; or the `paper`'s of MNIST, with SGD.
        lr_d, lr_g: Adam's learning rates. D is the faster one, unlike in `gan`, or G goes without
            the label for long: on MNIST 83 to 91 % of images were read as asked, and not 98 %.
        batch_size: images a batch.
    """

    sees = "label"
    settings_with = {"nets=paper": {"": {"latents": 100, "batch_size": 100}}}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 10,
        nets: Literal["shared", "paper"] = "shared",
        lr_d: float = 1e-3,
        lr_g: float = 2e-4,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        assert spec.label_column is not None
        self.labels = spec.factor_sizes[spec.label_column]
        self.nets, self.lr_d, self.lr_g, self.batch_size = nets, lr_d, lr_g, batch_size
        others = {"shared": normal_codes, "paper": uniform_codes}[nets](latents)
        self.codes = (Code("label", "categorical", self.labels), *others)
        if nets == "shared":
            self.generator = Generator(spec.shape, latents, self.labels)
            self.discriminator = Discriminator(spec.shape, self.labels)
        else:
            self.generator = DenseGenerator(spec.shape, latents, self.labels)
            self.discriminator = DenseDiscriminator(spec.shape, self.labels)
            uniform_init(self.generator, 0.05)
            uniform_init(self.discriminator, 0.005)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return one optimiser for each network."""
        if self.nets == "shared":
            return super().optimisers()
        return decaying(self.discriminator, self.generator, 1.00004)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminator's loss, then the generator's, on images of the same labels."""
        assert batch.factors is not None
        y = self.hot(batch.factors[:, 0])
        z = self.sample(len(batch.x), batch.x.device)[:, 1:]
        fake = torch.sigmoid(self.generator(y, z))
        real = self.discriminator(batch.x, y)
        yield "d", losses.discriminator(real, self.discriminator(fake.detach(), y))
        yield "g", losses.non_saturating(self.discriminator(fake, y))

    def hot(self, label: Tensor) -> Tensor:
        """Return labels (B,) as one-hot vectors (B, labels), float32."""
        return one_hot(label, self.labels).float()

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z, y), the label y being the first column."""
        return torch.sigmoid(self.generator(self.hot(z[:, 0]), z[:, 1:]))


class Generator(nn.Module):
    """The shared generator of a label's one-hot vector and z."""

    def __init__(self, shape: Shape, latents: int, labels: int) -> None:
        super().__init__()
        self.net = generator(shape, labels + latents)

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Return logits of pixels."""
        logits: Tensor = self.net(torch.cat([y, z], 1))
        return logits


class Discriminator(nn.Module):
    """The shared trunk over an image and one constant channel a label."""

    def __init__(self, shape: Shape, labels: int) -> None:
        super().__init__()
        self.net = discriminator((shape[0] + labels, *shape[1:]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits (B, 1)."""
        plane = y[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x.dtype)
        logits: Tensor = self.net(torch.cat([x, plane], 1))
        return logits


class DenseGenerator(nn.Module):
    """The paper's: 200 units of z and 1,000 of y, then 1,200 of both, all with dropout.

    Its z is uniform in the unit hypercube, U(0, 1).
    """

    def __init__(self, shape: Shape, latents: int, labels: int) -> None:
        super().__init__()
        self.shape = shape
        self.z, self.y = nn.Linear(latents, 200), nn.Linear(labels, 1000)
        self.both, self.out = nn.Linear(1200, 1200), nn.Linear(1200, math.prod(shape))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Return logits of pixels."""
        h = torch.cat([F.relu(self.z((z + 1) / 2)), F.relu(self.y(y))], 1)
        h = F.relu(self.both(F.dropout(h, 0.5, self.training)))
        logits: Tensor = self.out(F.dropout(h, 0.5, self.training))
        return logits.view(-1, *self.shape)


class DenseDiscriminator(nn.Module):
    """The paper's: maxout of 240 units of x and 50 of y, then 240 of both, with dropout."""

    def __init__(self, shape: Shape, labels: int) -> None:
        super().__init__()
        self.x, self.y = Maxout(math.prod(shape), 240, 5), Maxout(labels, 50, 5)
        self.both, self.out = Maxout(290, 240, 4), nn.Linear(240, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits (B, 1)."""
        h = torch.cat([self.x(x.flatten(1)), self.y(y)], 1)
        h = self.both(F.dropout(h, 0.5, self.training))
        logits: Tensor = self.out(F.dropout(h, 0.5, self.training))
        return logits
