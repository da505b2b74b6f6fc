"""The generator's side: codes drawn from the prior, and what an oracle reads in their images."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation.factor_classifier import Oracle
from benchmark.training.batches import Dealer, gathered
from benchmark.training.hardware import Precision, autocast
from benchmark.training.loop import Stopped
from datasets import Dataset
from methods.base import Method
from results.store import Generated

GENERATED = 20_000
AT_ONCE = {"cpu": 256, "cuda": 4096}
"""The draws depend on it."""


def generates(method: Method, dataset: Dataset) -> bool:
    """Return whether the method has a side to read: images of its codes, and factors in them.

    Codes that are no method's (the true factors, chance) come with real images: read like
    generated ones, they are the ceiling and the floor of what any generator scores by this oracle.
    """
    return bool(dataset.factor_sizes) and (method.decodes or method.reference)


@torch.no_grad()
def generate(
    method: Method,
    dealer: Dealer,
    oracle: Oracle,
    precision: Precision,
    stop: Callable[[], bool] = lambda: False,
) -> Generated:
    """Return `GENERATED` draws of the prior and the factors of their images; torch's chance.

    Raises:
        Stopped: `stop` said so.
    """
    size = AT_ONCE[dealer.device.type]
    rows = dealer.dataset.sample(GENERATED, np.random.default_rng(0))

    def parts() -> Iterator[tuple[NDArray[Any], ...]]:
        for start in range(0, GENERATED, size):
            if stop():
                raise Stopped
            with autocast(dealer.device, precision):
                z, x = pairs(method, dealer, rows[start : start + size])
            yield z[:, : len(method.informative)].float().cpu().numpy(), oracle.read(x)

    codes, factors = gathered(parts(), GENERATED)
    names, kinds = zip(*((code.name, code.kind) for code in method.informative), strict=True)
    return Generated(
        codes,
        factors,
        list(names),
        list(kinds),
        np.array(oracle.accuracy),
    )


def pairs(method: Method, dealer: Dealer, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return as many codes with images of them as there are rows, which a reference row takes."""
    if method.decodes:
        z = method.sample(len(rows), dealer.device)
        return z, method.decode(z)
    return method.encode(dealer.batch(method, rows)), dealer.images(rows)
