"""The encoder that a generator without inference is given: fitted on its own samples (G(z), z)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from datasets.base import Spec
from methods import nets
from methods.base import Batch, Method, adam


class PostHoc(Method):
    """Regresses z on G(z) with the shared encoder network; the generator stays as it is."""

    def __init__(self, spec: Spec, generator: Method, *, lr: float = 1e-3) -> None:
        super().__init__()
        self.codes = generator.informative
        self.batch_size = generator.batch_size
        self.lr = lr
        self.encoder = nets.encoder(spec.shape, len(self.codes))
        self._generator = [generator]

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam over the encoder alone."""
        return {"posthoc": adam(self.encoder, self.lr)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the squared error of a batch of fresh samples; real images are not looked at."""
        yield "posthoc", self.error(len(batch.x), batch.x.device).mean()

    def error(self, n: int, device: torch.device) -> Tensor:
        """Return the mean squared error (L,) of n fresh samples; guessing the mean scores Var z."""
        generator = self._generator[0].eval()
        with torch.no_grad():
            z = generator.sample(n, device)
            x = generator.decode(z)
        read: Tensor = self.encoder(x).float()
        return (read - z[:, : len(self.codes)]).square().mean(0)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes (B, L) that it reads in the images."""
        codes: Tensor = self.encoder(batch.x).float()
        return codes
