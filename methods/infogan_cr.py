"""InfoGAN-CR: Lin et al., ICML 2020, https://arxiv.org/abs/1906.06034.

Values are those of the authors' dSprites experiment, in their code.
"""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, nets
from methods.adversarial import BETAS
from methods.base import Batch, Method, adam
from methods.infogan import Layout
from methods.nets import FEATURES, WIDTHS, Crop, Shape

LEAK = 0.2


@METHODS.register(
    "infogan_cr",
    source="Lin et al., InfoGAN-CR and ModelCentrality, ICML 2020, "
    "https://arxiv.org/abs/1906.06034",
    version=2,
)
class InfoGANCR(Method):
    """An InfoGAN of continuous codes whose pairs of images must show which code they share.

    Args:
        spec: the data set.
        latents: how many codes, U(-1, 1); noise: how many inputs beside them.
        lam: weight of L_I.
        alpha: weight of the contrastive regulariser once it is on.
        cr_start: the step that switches it on; the authors' 288,000 of 322,560. Until then this is
            their `InfoGAN (modified)`.
        lr_d, lr_g, lr_cr: Adam's learning rates.
        batch_size: images a batch.
    """

    paper_steps = {"": 322_560}

    def __init__(
        self,
        spec: Spec,
        *,
        latents: int = 5,
        noise: int = 5,
        lam: float = 0.05,
        alpha: float = 2.0,
        cr_start: int = 288_000,
        lr_d: float = 2e-3,
        lr_g: float = 1e-3,
        lr_cr: float = 2e-3,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.codes = Layout((), latents, noise).codes
        self.lam, self.alpha, self.cr_start = lam, alpha, cr_start
        self.lr_d, self.lr_g, self.lr_cr, self.batch_size = lr_d, lr_g, lr_cr, batch_size
        self.generator = generator(spec.shape, latents + noise)
        self.trunk = nets.trunk(spec.shape, LEAK)
        self.head = spectral_norm(nn.Linear(FEATURES, 1))
        hidden = spectral_norm(nn.Linear(FEATURES, FEATURES)), nn.LeakyReLU(LEAK)
        self.q = nn.Sequential(*hidden, spectral_norm(nn.Linear(FEATURES, latents)))
        pair = (2 * spec.shape[0], *spec.shape[1:])
        self.cr = nn.Sequential(nets.trunk(pair, LEAK), nn.Linear(FEATURES, latents))

    def phase(self, step: int) -> int:
        """Return 1 once the contrastive regulariser is on."""
        return int(step >= self.cr_start)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return an Adam for D and Q, one for G, and one for the reader of pairs."""
        return {
            "cr": adam(self.cr, self.lr_cr, betas=BETAS),
            "d": adam(nn.ModuleList([self.trunk, self.head, self.q]), self.lr_d, betas=BETAS),
            "g": adam(self.generator, self.lr_g, betas=BETAS),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the pair reader's loss, D's with Q's, then G's twice, all of the same z."""
        n, device, contrastive = len(batch.x), batch.x.device, batch.phase == 1
        z, (one, other, shared) = self.sample(n, device), self.pairs(n, device)
        with torch.no_grad():
            fake = self.decode(z)
            pair = self.pair(one, other) if contrastive else None
        if pair is not None:
            yield "cr", self.contrast(pair, shared)
        features = self.trunk(fake)
        game = losses.discriminator(self.head(self.trunk(batch.x)), self.head(features))
        yield "d", game - self.information(features, z)
        for _ in range(2):
            features = self.trunk(self.decode(z))
            loss = losses.non_saturating(self.head(features)) - self.information(features, z)
            if contrastive:
                loss = loss + self.alpha * self.contrast(self.pair(one, other), shared)
            yield "g", loss

    def information(self, features: Tensor, z: Tensor) -> Tensor:
        """Return lam L_I but for H(c), with Q's variance fixed to 1, in nats."""
        mean = self.q(features).float()
        nll = losses.gaussian_nll(mean, z[:, : mean.shape[1]])
        self.logs["nll"] = nll.detach()
        return -self.lam * nll

    def pairs(self, n: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return z (n, L) twice, and (n,) the one code that each pair shares, beside all noise."""
        one, other = self.sample(n, device), self.sample(n, device)
        latents = len(self.informative)
        shared = (torch.rand(n, device=device) * latents).long().clamp(max=latents - 1)
        code = torch.arange(len(self.codes), device=device)
        alike = (code == shared[:, None]) | (code >= latents)
        return one, torch.where(alike, one, other), shared

    def pair(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the images of both (n, 2C, H, W)."""
        return torch.cat([self.decode(one), self.decode(other)], 1)

    def contrast(self, pair: Tensor, shared: Tensor) -> Tensor:
        """Return the cross-entropy of reading, in pairs of images, which code they share."""
        entropy = F.cross_entropy(self.cr(pair).float(), shared)
        self.logs["contrast"] = entropy.detach()
        return entropy

    def encode(self, batch: Batch) -> Tensor:
        """Return the means of Q of real images."""
        codes: Tensor = self.q(self.trunk(batch.x)).float()
        return codes

    def decode(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return torch.sigmoid(self.generator(z))


def generator(shape: Shape, inputs: int) -> nn.Sequential:
    """Return z (B, inputs) -> logits of pixels (B, C, H, W): activation, then batch norm."""
    h, w = nets.smallest(shape, len(WIDTHS))
    widths = WIDTHS[::-1]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise((inputs, 128, widths[0] * h * w)):
        layers += [nn.Linear(a, b), nn.ReLU(), nn.BatchNorm1d(b)]
    layers.append(nn.Unflatten(1, (widths[0], h, w)))
    for a, b in itertools.pairwise(widths):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.LeakyReLU(LEAK), nn.BatchNorm2d(b)]
    last = nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1)
    made = nn.Sequential(*layers, last, Crop(shape, len(WIDTHS)))
    for part in made.modules():
        if isinstance(part, nn.Linear | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0, 0.02)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
    return made
