"""InfoGAN-CR: Lin et al., ICML 2020, https://arxiv.org/abs/1906.06034.

Values are those of the authors' dSprites experiment, in their code.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.registry import METHODS
from datasets.base import Spec
from methods import losses, nets
from methods.adversarial import BETAS
from methods.base import Batch, Method, adam
from methods.infogan import LEAK, Layout
from methods.nets import FEATURES


@METHODS.register(
    "infogan_cr",
    source="Lin et al., InfoGAN-CR and ModelCentrality, ICML 2020, "
    "https://arxiv.org/abs/1906.06034",
    version=1,
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
        self.generator = nets.generator(spec.shape, latents + noise)
        self.trunk = nets.trunk(spec.shape, LEAK)
        self.head = nn.Linear(FEATURES, 1)
        hidden = nn.Linear(FEATURES, FEATURES), nn.LeakyReLU(LEAK)
        self.q = nn.Sequential(*hidden, nn.Linear(FEATURES, latents))
        pair = (2 * spec.shape[0], *spec.shape[1:])
        self.cr = nn.Sequential(nets.trunk(pair, LEAK), nn.Linear(FEATURES, latents))

    def phase(self, step: int) -> int:
        """Return 1 once the contrastive regulariser is on."""
        return int(step >= self.cr_start)

    def optimisers(self) -> dict[str, Optimizer]:
        """Return an Adam for D, one for G and Q, and one for the reader of pairs."""
        d = nn.ModuleList([self.trunk, self.head])
        g = nn.ModuleList([self.generator, self.q])
        return {
            "d": adam(d, self.lr_d, betas=BETAS),
            "g": adam(g, self.lr_g, betas=BETAS),
            "cr": adam(self.cr, self.lr_cr, betas=BETAS),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield D's loss, then G's with Q's and the contrastive one twice, then the reader's."""
        n, device, contrastive = len(batch.x), batch.x.device, batch.phase == 1
        with torch.no_grad():
            fake = self.decode(self.sample(n, device))
        real, false = (self.head(self.trunk(x)) for x in (batch.x, fake))
        yield "d", losses.discriminator(real, false)
        for _ in range(2):
            z = self.sample(n, device)
            features = self.trunk(self.decode(z))
            loss = losses.non_saturating(self.head(features)) - self.information(features, z)
            yield "g", loss + self.alpha * self.contrast(n, device) if contrastive else loss
        if contrastive:
            yield "cr", self.contrast(n, device)

    def information(self, features: Tensor, z: Tensor) -> Tensor:
        """Return lam L_I but for H(c), with Q's variance fixed to 1, in nats."""
        mean = self.q(features).float()
        nll = losses.gaussian_nll(mean, z[:, : mean.shape[1]])
        self.logs["nll"] = nll.detach()
        return -self.lam * nll

    def contrast(self, n: int, device: torch.device) -> Tensor:
        """Return the cross-entropy of reading, in n pairs of images, which code they share."""
        one, other = self.sample(n, device), self.sample(n, device)
        latents = len(self.informative)
        shared = (torch.rand(n, device=device) * latents).long().clamp(max=latents - 1)
        other = torch.where(nets.one_hot(shared, len(self.codes)), one, other)
        pair = torch.cat([self.decode(one), self.decode(other)], 1)
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
