"""What a run takes: the seconds of its stages, the images and the operations of its training."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from torch.optim import Optimizer

from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.hardware import Precision
from benchmark.training.loop import advance
from methods.base import Batch, Method


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    """Put what is done within into `seconds`, as "<stage>_seconds"."""
    start = time.perf_counter()
    yield
    seconds[f"{stage}_seconds"] = time.perf_counter() - start


def counted(method: Method, batches: Batches, steps: int) -> dict[str, float]:
    """Return the "images" that training sees, and the "flops" of its products and convolutions.

    Both are those of one more step, times the steps, phase by phase. What is not trained by steps
    has neither.

    Args:
        method: as it was initialised; its weights change.
        batches: of a step each.
        steps: how many in all.
    """
    from benchmark.training.operations import operations_of  # PyTorch's counter imports Triton

    optimisers = method.train().optimisers()
    if not optimisers:
        return {}
    batch = batches.training_batch(method, 0)
    seen, flops = len(batch.x) + (0 if batch.y is None else len(batch.y)), 0
    for phase, taken in Counter(map(method.phase, range(steps))).items():
        one = replace(batch, phase=phase)
        operations = operations_of(partial(_step, method, optimisers, one, batches.precision))
        flops += taken * operations.flops
    method.zero_grad(set_to_none=True)
    del optimisers
    hardware.release_memory()
    return {"images": steps * seen, "flops": float(flops)}


def _step(
    method: Method,
    optimisers: dict[str, Optimizer],
    batch: Batch,
    precision: Precision,
    number: int,
) -> None:
    advance(method, batch, optimisers, precision)
