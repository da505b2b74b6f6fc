"""The networks of cGAN, which hear the label: the shared ones, and the paper's of MNIST.

Mirza & Osindero, Conditional Generative Adversarial Nets, 2014, https://arxiv.org/abs/1411.1784.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.maxout import Maxout, uniform_init
from methods.nets import Shape, discriminator, generator


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
    """The paper's: 200 units of z and 1,000 of y, then 1,200 of both, all with dropout."""

    def __init__(self, shape: Shape, latents: int, labels: int) -> None:
        super().__init__()
        self.shape = shape
        self.z, self.y = nn.Linear(latents, 200), nn.Linear(labels, 1000)
        self.both, self.out = nn.Linear(1200, 1200), nn.Linear(1200, math.prod(shape))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Return logits of pixels."""
        h = torch.cat([F.relu(self.z(z)), F.relu(self.y(y))], 1)
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


def convolutional(shape: Shape, latents: int, labels: int) -> tuple[nn.Module, nn.Module]:
    """Return the shared networks: G(y, z) and D(x, y), of labels y as one-hot vectors."""
    return Generator(shape, latents, labels), Discriminator(shape, labels)


def dense(shape: Shape, latents: int, labels: int) -> tuple[nn.Module, nn.Module]:
    """Return the paper's networks of MNIST."""
    g, d = DenseGenerator(shape, latents, labels), DenseDiscriminator(shape, labels)
    uniform_init(g, 0.05)
    uniform_init(d, 0.005)
    return g, d
