"""Deep variational information bottleneck: Alemi et al., ICLR 2017.

https://arxiv.org/abs/1612.00410, equation 17; networks and values of its MNIST experiment. What the
paper leaves open is as in the authors' notebook, https://github.com/alexalemi/vib_demo: images in
[-1, 1], a learning rate that decays, and averaged weights.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.base import Batch, Method, adam, normal_codes
from methods.nets import encoder, glorot_init, mlp
from methods.posterior import Posterior

BETAS = (0.5, 0.999)
DECAY, TWO_EPOCHS = 0.97, 1_200
AVERAGING = 0.999


class DecayingAdam(torch.optim.Adam):
    """Adam whose learning rate falls by 3 % after every two epochs of MNIST.

    The rate follows from the count of steps on the device, so that a captured step changes it, too.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step."""
        (group,) = self.param_groups
        if self.state:
            steps = self.state[group["params"][0]]["step"]
            fallen = (math.log(DECAY) * (steps / TWO_EPOCHS).floor()).exp()
            group["lr"] = self.defaults["lr"] * fallen
        super().step(closure)


@METHODS.register(
    "vib",
    source="Alemi et al., Deep Variational Information Bottleneck, ICLR 2017, "
    "https://arxiv.org/abs/1612.00410",
    version=2,
)
class VIB(Method):
    """Codes that tell the label and forget the image: cross-entropy + beta KL(q(z | x) || r(z)).

    Args:
        spec: the data set; it has a label.
        beta: weight of the bottleneck.
        latents: how many codes; the paper has 256.
        lr: Adam's learning rate.
        batch_size: images a batch.
        nets: the encoder that all methods share, or the paper's two layers of 1,024, with its
            schedule and its averaging of weights.
    """

    sees = "label"
    paper_steps = {"": 120_000}
    steps: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        beta: float = 1e-3,
        latents: int = 256,
        lr: float = 1e-4,
        batch_size: int = 100,
        nets: Literal["shared", "paper"] = "shared",
    ) -> None:
        super().__init__()
        assert spec.label_column is not None
        self.codes = normal_codes(latents)
        self.beta, self.lr, self.batch_size, self.nets = beta, lr, batch_size, nets
        if nets == "shared":
            self.encoder = encoder(spec.shape, 2 * latents)
        else:
            layers = mlp((math.prod(spec.shape), 1024, 1024, 2 * latents), nn.ReLU)
            self.encoder = nn.Sequential(nn.Flatten(), *layers)
        self.classifier = nn.Linear(latents, spec.factor_sizes[spec.label_column])
        self.averaged: nn.ModuleList | None = None
        if nets == "paper":
            glorot_init(self)
            self.averaged = copy.deepcopy(self.trained).requires_grad_(False)
            self.register_buffer("steps", torch.zeros(()))

    @property
    def trained(self) -> nn.ModuleList:
        """Encoder and classifier."""
        return nn.ModuleList([self.encoder, self.classifier])

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over both parts."""
        if self.averaged is None:
            return {"ib": adam(self, self.lr, betas=BETAS)}
        return {"ib": DecayingAdam(self.trained.parameters(), self.lr, BETAS, fused=True)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield equation 17, with one sample of z an image, in nats."""
        assert batch.factors is not None
        q = self.posterior(batch.x)
        entropy = F.cross_entropy(self.classifier(q.sample()).float(), batch.factors[:, 0])
        kl = q.kl().sum()
        self.logs |= {"cross_entropy": entropy.detach(), "kl": kl.detach()}
        yield "ib", entropy + self.beta * kl
        if self.averaged is not None:
            self.average(self.averaged)

    @torch.no_grad()
    def average(self, averaged: nn.Module) -> None:
        """Average the weights after every step, of which each counts .999 of what the next does."""
        self.steps += 1
        share = (AVERAGING - 1) / (math.log(AVERAGING) * self.steps).expm1()
        for mean, weight in zip(averaged.parameters(), self.trained.parameters(), strict=True):
            mean.lerp_(weight, share)

    @property
    def used(self) -> nn.ModuleList:
        """Encoder and classifier: in evaluation their averages, where weights are averaged."""
        return self.trained if self.training or self.averaged is None else self.averaged

    def posterior(self, x: Tensor) -> Posterior:
        """Return q(z | x), with the paper's standard deviations softplus(rho - 5)."""
        x = x if self.nets == "shared" else 2 * x - 1
        mean, rho = self.used[0](x).float().chunk(2, dim=1)
        return Posterior(mean, F.softplus(rho - 5))

    def encode(self, batch: Batch) -> Tensor:
        """Return the mean of q(z | x)."""
        return self.posterior(batch.x).mean

    def classify(self, x: Tensor) -> Tensor:
        """Return the logits (B, labels) that the mean code gives."""
        logits: Tensor = self.used[1](self.posterior(x).mean).float()
        return logits
