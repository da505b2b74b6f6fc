"""The encoder that a generator without inference is given: fitted on its own samples (G(z), z)."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from datasets.base import Spec
from methods import nets
from methods.base import Batch, Method, adam


class PostHoc(Method):
    """Reads z in G(z) with the shared encoder network; the generator stays as it is.

    A categorical code is classified, every other one regressed.
    """

    def __init__(self, spec: Spec, generator: Method, *, lr: float = 1e-3) -> None:
        super().__init__()
        self.codes = generator.informative
        self.batch_size = generator.batch_size
        self.lr = lr
        self.sizes = [code.size if code.kind == "categorical" else 1 for code in self.codes]
        self.encoder = nets.encoder(spec.shape, sum(self.sizes))
        self._generator = [generator]

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over the encoder alone."""
        return {"posthoc": adam(self.encoder, self.lr)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the error on a batch of fresh samples; real images are not used."""
        yield "posthoc", self.error(self.sample(len(batch.x), batch.x.device)).mean()

    @torch.no_grad()
    def sample(self, n: int, device: torch.device | None = None) -> Tensor:
        """Return n draws z (n, L) of the generator's prior, noise included."""
        return self._generator[0].sample(n, device)

    def error(self, z: Tensor) -> Tensor:
        """Return the error (L,) of each code on the samples G(z), the mean over them.

        It is the squared error, where guessing the mean scores Var z, or for a categorical code the
        cross-entropy in nats.
        """
        with torch.no_grad():
            x = self._generator[0].eval().decode(z)
        return torch.stack(
            [
                (part[:, 0] - z[:, i]).square().mean()
                if part.shape[1] == 1
                else F.cross_entropy(part, z[:, i].long())
                for i, part in enumerate(self.read(x))
            ]
        )

    def read(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the estimate (B, 1) of each code, or the logits of its categories."""
        return self.encoder(x).float().split(self.sizes, dim=1)  # type: ignore[no-any-return]

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes (B, L) that it reads in the images."""
        parts = self.read(batch.x)
        codes = [p.argmax(1, keepdim=True) if p.shape[1] > 1 else p for p in parts]
        return torch.cat(codes, 1).float()
