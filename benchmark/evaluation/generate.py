"""The generator's side: codes drawn from the prior, and what a factor classifier reads in images.

The images are those that the method makes of the codes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation.factor_classifier import FactorClassifier
from benchmark.training.batches import Batches, in_batches
from methods.base import Method
from methods.posthoc import PostHoc
from results.store import Generated

GENERATED = 20_000
POSTHOC_TEST, POSTHOC_BATCH = 4_096, 256
BATCH = {"cpu": 256, "cuda": 4096, "mps": 1024}
"""The draws depend on it."""


def makes_images(method: type[Method]) -> bool:
    """Return whether a method makes images of its codes.

    Codes that are no method's (the true factors, chance) come with real images: read like
    generated ones, they are the ceiling and the floor of what any generator scores by the factor
    classifier.
    """
    return method.decode is not Method.decode or method.reference


@torch.no_grad()
def generate(
    method: Method,
    batches: Batches,
    classifier: FactorClassifier,
    report: Callable[[int], None] = lambda done: None,
) -> Generated:
    """Return `GENERATED` draws of the prior and the factors of their images; torch's chance."""
    rows = batches.dataset.sample(GENERATED, np.random.default_rng(0))
    codes = method.informative

    def compute(part: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        with batches.autocast():
            z, x = pairs(method, batches, part)
        return z[:, : len(codes)].float().cpu().numpy(), classifier.read(x)

    z, factors = in_batches(compute, rows, BATCH[batches.device.type], report)
    names, kinds = [code.name for code in codes], [code.kind for code in codes]
    return Generated(z, factors, names, kinds, np.array(classifier.accuracy))


def pairs(method: Method, batches: Batches, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return as many codes with images of them as there are rows, which a reference row takes."""
    if method.decodes:
        z = method.sample(len(rows), batches.device)
        return z, method.decode(z)
    return method.encode(batches.batch(method, rows)), batches.images(rows)


@torch.no_grad()
def posthoc_error(reader: PostHoc, device: torch.device) -> float:
    """Return the error of an encoder that was fitted post hoc, on fresh samples; torch's chance."""
    z = reader.sample(POSTHOC_TEST, device)
    # The images of all at once would take gigabytes.
    errors = [reader.eval().error(part).mean() for part in torch.split(z, POSTHOC_BATCH)]
    return float(torch.stack(errors).mean())
