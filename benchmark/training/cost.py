"""What a run takes: the seconds of its stages, the images and the operations of its training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.training.batches import Batches
from benchmark.training.loop import advance
from methods.base import Method


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    """Put what is done within into `seconds`, as "<stage>_seconds"."""
    start = time.perf_counter()
    yield
    seconds[f"{stage}_seconds"] = time.perf_counter() - start


def counted(method: Method, batches: Batches, steps: int) -> dict[str, float]:
    """Return the "images" that training sees, and the "flops" of its products and convolutions.

    Both are those of the first step times the steps, which is taken once more to be counted. What
    is not trained by steps has neither.

    Args:
        method: as it was initialised; its weights change.
        batches: of a step each.
        steps: how many in all.
    """
    from benchmark.speed import operations_of

    optimisers = method.train().optimisers()
    if not optimisers:
        return {}
    batch = batches.training_batch(method, 0)
    seen = len(batch.x) + (0 if batch.y is None else len(batch.y))
    first = operations_of(lambda _: advance(method, batch, optimisers, batches.precision))
    return {"images": steps * seen, "flops": float(steps * first.flops)}
