"""Independent fits side by side, on all cores, with the same numbers on any number of them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

T = TypeVar("T")


def seeds(rng: np.random.Generator, count: int) -> list[int]:
    """Return a seed for each fit, all drawn before any fit."""
    drawn: list[int] = rng.integers(2**31, size=count).tolist()
    return drawn


def on_all_cores(
    task: Callable[..., T], arguments: Sequence[tuple[Any, ...]], workers: int | None
) -> list[T]:
    """Return `task(*a)` for every `a` of `arguments`, in order.

    Each call runs in a process of its own on one thread, so the result does not depend on
    `workers` if the task does not draw from a shared source of chance. Slow tasks go first.

    Args:
        task: a function of a module, for processes receive it by name.
        arguments: of every call.
        workers: processes at a time; None: as many as there are cores (those of the job, not of
            the node), at most one per call. 1: no process is started.
    """
    most = joblib.cpu_count() if workers is None else workers
    # Batches would bind a slow call to the ones after it.
    pool = joblib.Parallel(n_jobs=max(1, min(most, len(arguments))), batch_size=1)
    results: list[T] = pool(joblib.delayed(_on_one_thread)(task, a) for a in arguments)
    return results


def _on_one_thread(task: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    with threadpool_limits(1):
        return task(*arguments)
