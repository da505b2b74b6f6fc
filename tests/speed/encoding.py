"""`python -m tests.speed.encoding`: how long encoding all of dSprites takes.

It is measured beside a plain PyTorch loop. The loops take turns, each in a process of its own: how
fast PyTorch's is depends on the thresholds that malloc has adjusted in its process.
"""

import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.evaluation.encode import encode
from benchmark.registry import METHODS
from benchmark.training import hardware
from benchmark.training.batches import Batches
from datasets import Dataset, load
from methods.base import Method
from tests.speed.bars import Measurement, report, timed

CPU = torch.device("cpu")
ROUNDS = 9
PLAIN_IMAGES, PLAIN_BATCH = 2_560, 64
"""Images that the plain loop encodes in a round, and at a time."""
BAR_SECONDS, BAR_PLAIN = 40, 143
"""What encoding dSprites may take on a machine on which the plain loop takes so long."""


def measure(dataset: str = "dsprites", few: int = PLAIN_IMAGES) -> Iterator[Measurement]:
    """Encode all images in `ROUNDS` parts by the VAE's encoder, each beside a few plainly.

    Args:
        dataset: its name.
        few: how many images the plain loop encodes in a round.
    """
    number = len(load(dataset))
    parts = np.array_split(np.arange(number), ROUNDS)
    some = np.random.default_rng(0).choice(number, (ROUNDS, few))
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(1, spawn) as other:
        turns = [
            (
                one.submit(_encoded, dataset, part).result(),
                other.submit(_plainly, dataset, rows).result(),
            )
            for part, rows in zip(parts, some, strict=True)
        ]
    ours, plain = zip(*turns, strict=True)
    seconds = sum(took for took, _ in ours)
    slow = statistics.median(took for took, _ in plain) * number / few
    precision, holds = hardware.precision("auto", CPU), slow / seconds >= BAR_PLAIN / BAR_SECONDS
    bar = f"<= {BAR_SECONDS} where plain takes {BAR_PLAIN}"
    yield Measurement(f"encoding {number:,} images in {precision}", seconds, "s", bar, holds)
    yield Measurement(f"plain eager float32, of {ROUNDS * few:,} images", slow, "s")
    codes = np.concatenate([found for _, found in ours])[some.ravel()]
    expected = np.concatenate([found for _, found in plain])
    differ = float(np.abs(codes - expected).max() / np.abs(expected).max())
    yield Measurement("largest difference, as a part of the largest code", differ, "")


@cache
def _made(dataset: str) -> tuple[Dataset, Method]:
    found = load(dataset)
    torch.manual_seed(0)
    method: Method = METHODS["vae"].value(found.spec)
    return found, method


def _encoded(dataset: str, rows: NDArray[np.int64]) -> tuple[float, NDArray[Any]]:
    """Return the seconds that the suite takes to encode these rows, and the codes."""
    hardware.prepare()
    images, method = _made(dataset)
    method.to(memory_format=torch.channels_last)
    batches = Batches(images, CPU, hardware.precision("auto", CPU))
    return timed(lambda: encode(method, batches, rows).codes)


def _plainly(dataset: str, rows: NDArray[np.int64]) -> tuple[float, NDArray[np.float32]]:
    """Return the same of a loop as a tutorial has it: few images at a time, float32."""
    images, method = _made(dataset)
    return timed(lambda: _loop(images, method, rows))


@torch.no_grad()
def _loop(images: Dataset, method: Method, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(rows), PLAIN_BATCH):
        x = torch.from_numpy(images.images(rows[start : start + PLAIN_BATCH])).float()
        parts.append(method.posterior(x).mean)
    codes: NDArray[np.float32] = torch.cat(parts).numpy()
    return codes


if __name__ == "__main__":
    report(measure())
