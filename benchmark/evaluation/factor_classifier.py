"""The factor classifier: supervised, it reads the true factors in an image, real or generated.

Tables, messages and its file call it the oracle. It is trained once per data set and kept in the
cache folder. What it reads in generated images is worth as much as its accuracy on held-out real
ones, which it states per factor.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from benchmark.registry import UserError
from benchmark.training import hardware
from benchmark.training.batches import Batches, in_batches
from benchmark.training.loop import Begin, Report, Training, read, silent
from datasets import Dataset, packed_file
from methods import nets
from methods.base import Batch, Code, Method, adam
from results.atomic import written

STEPS = 4_000
BATCH = 128
TEST, TEST_BATCH = 10_000, 512
WIDTHS = (64, 64, 128, 128)
VERSION = 1


class FactorClassifier(Method):
    """A convolutional network with one softmax a factor.

    Attributes:
        accuracy: the share of held-out real images whose factor it reads right, per factor. Of a
            full grid, which has no held-out images, they are random ones.
    """

    sees = "factors"
    batch_size = BATCH

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        spec = dataset.spec
        self.sizes = spec.factor_sizes
        named = zip(spec.factor_names, spec.factor_sizes, strict=True)
        self.codes = tuple(Code(name, "ordinal", size) for name, size in named)
        self.net = nets.encoder(spec.shape, sum(self.sizes), WIDTHS)
        self.accuracy: tuple[float, ...] = ()

    def optimisers(self) -> dict[str, Optimizer]:
        """Return Adam."""
        return {"entropy": adam(self, 1e-3)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the cross-entropy, summed over factors, in nats."""
        assert batch.factors is not None
        parts = zip(self.logits(batch.x), batch.factors.T, strict=True)
        yield "entropy", torch.stack([F.cross_entropy(p, f) for p, f in parts]).sum()

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits (B, size) of each factor."""
        y: Tensor = self.net(x).float()
        return y.split_with_sizes(self.sizes, dim=1)

    def encode(self, batch: Batch) -> Tensor:
        """Return the likeliest factors (B, K)."""
        return torch.stack([part.argmax(1) for part in self.logits(batch.x)], 1).float()

    @torch.no_grad()
    def read(self, x: Tensor) -> NDArray[np.int64]:
        """Return the factors (n, K) that it reads in images (n, C, H, W) in [0, 1]."""
        parts = [self.encode(Batch(part)) for part in torch.split(x.float(), TEST_BATCH)]
        return torch.cat(parts).long().cpu().numpy()


def trained_classifier(
    dataset: Dataset,
    device: torch.device,
    stop: Callable[[], bool] = lambda: False,
    begin: Begin = silent,
) -> FactorClassifier:
    """Return the data set's classifier, from the cache folder if it is there.

    Raises:
        Stopped: `stop` said so; what is trained is kept.
        UserError: the data set has no factors.
    """
    if not dataset.factor_sizes:
        raise UserError(f"{dataset.name} has no factors that an oracle could read")
    path = packed_file.root() / f"oracle-{dataset.name}-{VERSION}.pt"
    torch.manual_seed(0)
    classifier = hardware.placed(FactorClassifier(dataset), device)
    if not path.exists():
        _train(classifier, dataset, path, stop, begin("oracle", STEPS))
    state = read(path, device, "weights", "accuracy")
    classifier.load_state_dict(state["weights"])
    classifier.accuracy = tuple(state["accuracy"])
    return classifier.eval()


def _train(
    classifier: FactorClassifier,
    dataset: Dataset,
    path: Path,
    stop: Callable[[], bool],
    report: Report,
) -> None:
    device = next(classifier.parameters()).device
    batches = Batches(dataset, device, hardware.precision("auto", device))
    hardware.prepare()
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint, log = path.with_suffix(".checkpoint"), path.with_suffix(".csv")
    Training(classifier, batches, STEPS, checkpoint, log, stop, report).run()
    classifier.eval()
    rows = np.random.default_rng(1).choice(dataset.test, min(TEST, len(dataset.test)), False)
    (found,) = in_batches(lambda part: (classifier.read(batches.images(part)),), rows, TEST_BATCH)
    accuracy = (found == dataset.factors(rows)).mean(0).tolist()
    with written(path) as temporary:
        torch.save({"weights": classifier.state_dict(), "accuracy": accuracy}, temporary)
    for leftover in (checkpoint, log):
        leftover.unlink(missing_ok=True)
