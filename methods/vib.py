"""Deep variational information bottleneck: Alemi et al., ICLR 2017.

https://arxiv.org/abs/1612.00410, equation 17; networks and values of its MNIST experiment.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.base import Batch, Method, adam, normal_codes
from methods.nets import encoder, mlp
from methods.posterior import Posterior


@METHODS.register(
    "vib",
    source="Alemi et al., Deep Variational Information Bottleneck, ICLR 2017, "
    "https://arxiv.org/abs/1612.00410",
    version=1,
)
class VIB(Method):
    """Codes that tell the label and forget the image: cross-entropy + beta KL(q(z | x) || r(z)).

    Args:
        spec: the data set; it has a label.
        beta: weight of the bottleneck.
        latents: how many codes; the paper has 256.
        lr: Adam's learning rate.
        batch_size: images a batch.
        nets: the encoder that all methods share, or the paper's two layers of 1,024.
    """

    sees = "label"
    paper_steps = {"": 120_000}

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

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over both parts."""
        return {"ib": adam(self, self.lr, betas=(0.5, 0.999))}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield equation 17, with one sample of z an image, in nats."""
        assert batch.factors is not None
        q = self.posterior(batch.x)
        entropy = F.cross_entropy(self.classifier(q.sample()).float(), batch.factors[:, 0])
        kl = q.kl().sum()
        self.logs |= {"cross_entropy": entropy.detach(), "kl": kl.detach()}
        yield "ib", entropy + self.beta * kl

    def posterior(self, x: Tensor) -> Posterior:
        """Return q(z | x), with the paper's standard deviations softplus(rho - 5)."""
        mean, rho = self.encoder(x).float().chunk(2, dim=1)
        return Posterior(mean, F.softplus(rho - 5))

    def encode(self, batch: Batch) -> Tensor:
        """Return the mean of q(z | x)."""
        return self.posterior(batch.x).mean

    def classify(self, x: Tensor) -> Tensor:
        """Return the logits (B, labels) that the mean code gives."""
        logits: Tensor = self.classifier(self.posterior(x).mean).float()
        return logits
