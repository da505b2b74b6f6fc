"""How long a step takes: the mean over a round, and the median of several rounds."""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.hardware import KEEP_FREED, Precision
from benchmark.training.loop import Training
from benchmark.training.operations import Step
from methods.base import Method

MATRIX = 2048

T = TypeVar("T")


@dataclass(frozen=True)
class Rounds:
    """How long a loop is measured.

    Attributes:
        number: of rounds; the median is reported.
        warm: steps before the first.
        seconds: of each round.
    """

    number: int
    warm: int
    seconds: float = 1.0


def suite_step(method: Method, batches: Batches) -> Step:
    """Return the step that runs take, its batch included; on a GPU the fourth is captured."""
    nothing = Path(os.devnull)
    return Training(method, batches, 0, nothing, nothing).take


def step_seconds(method: Method, batches: Batches, rounds: Rounds) -> float:
    """Return the seconds of a training step of the suite's loop, data included."""
    step, sync = suite_step(method.train(), batches), synchronise(batches.device)
    warm_up(step, KEEP_FREED, sync, rounds.warm)
    return statistics.median(seconds(step, sync, rounds.seconds) for _ in range(rounds.number))


def warm_up(step: Step, memory: tuple[int, int], sync: Callable[[], None], steps: int = 2) -> None:
    """Take some steps with malloc's thresholds at `memory`."""
    hardware.set_malloc_thresholds(*memory)
    for i in range(steps):
        step(i)
    sync()


def seconds(step: Step, sync: Callable[[], None], long: float) -> float:
    """Return the mean seconds of a step over about `long` seconds."""
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < long:
        step(n)
        n += 1
    sync()
    return (time.perf_counter() - start) / n


def matmul_peak(device: torch.device, precision: Precision, long: float) -> float:
    """Return the rate, in floating-point operations a second, of a large matmul on the device."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a = torch.randn(MATRIX, MATRIX, device=device).to(dtype)
    sync = synchronise(device)
    times = [seconds(lambda _: a @ a, sync, long) for _ in range(3)]
    return 2 * MATRIX**3 / min(times)


def synchronise(device: torch.device) -> Callable[[], None]:
    """Return what waits until the device has done all that it was given."""
    found: Callable[[], None] = torch.get_device_module(device).synchronize
    return found


def alone(call: Callable[..., T], *args: Any) -> T:
    """Return what a function returns in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(call, *args).result()
