"""`python -m tests.speed.metrics`: how long scoring codes of all of dSprites takes."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from datasets import load
from metrics.base import score
from tests.speed.bars import Measurement, peak_memory, report, timed
from tests.speed.plain_metrics import PLAIN, Grid, plain

LATENTS = 10
FEWER = 10
"""By which dci's rows are divided here: its published size takes minutes."""

Arrays = dict[str, NDArray[Any]]


def measure() -> Iterator[Measurement]:
    """Score the codes of a random mixture of dSprites' factors."""
    dataset = load("dsprites")
    factors = dataset.factors(np.arange(len(dataset)))
    codes = mixture(factors, np.random.default_rng(0))
    yield from _seven({"codes": codes, "factors": factors})
    yield from _dci({"codes": codes, "factors": factors})


def mixture(factors: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return codes (N, `LATENTS`): the factors, standardised, mixed at random, with noise."""
    standard = (factors - factors.mean(0)) / factors.std(0)
    weights = rng.standard_normal((factors.shape[1], LATENTS)) / np.sqrt(LATENTS)
    noise = 0.1 * rng.standard_normal((len(factors), LATENTS))
    codes: NDArray[np.float32] = (standard @ weights + noise).astype(np.float32)
    return codes


def _seven(arrays: Arrays) -> Iterator[Measurement]:
    before = peak_memory()
    ours = {name: timed(partial(_scored, name, arrays)) for name in PLAIN}
    grown, grid = peak_memory() - before, Grid(arrays["factors"])
    slow = {name: timed(partial(_plain, name, arrays, grid)) for name in PLAIN}
    for name, (seconds, value) in ours.items():
        took, other = slow[name]
        yield Measurement(f"{name}, {value:.3f}; plain {took:.2g} s, {other:.3f}", seconds, "s")
    total, reference = (sum(took for took, _ in all.values()) for all in (ours, slow))
    yield Measurement("the seven together", total, "s", "<= 4", total <= 4)
    yield Measurement("plain NumPy and scikit-learn", reference, "s")
    yield Measurement("memory above the codes", grown / 1e6, "MB", "< 1000", grown < 1e9)


def _scored(name: str, arrays: Arrays) -> float:
    (value,) = score(METRICS[name], arrays, np.random.default_rng(0)).values()
    return value


def _plain(name: str, arrays: Arrays, grid: Grid) -> float:
    return plain(name, arrays["codes"], grid, np.random.default_rng(0))


def _dci(arrays: Arrays) -> Iterator[Measurement]:
    def call(name: str, **protocol: Any) -> Callable[[], object]:
        return lambda: METRICS[name].value(**arrays, rng=np.random.default_rng(0), **protocol)

    call("dci_fast", train=100, test=100)()  # starts the processes
    seconds, _ = timed(call("dci_fast"))
    yield Measurement("dci_fast", seconds, "s", "<= 5", seconds <= 5)
    few = {"train": 10_000 // FEWER, "test": 5_000 // FEWER}
    seconds, _ = timed(call("dci", **few))
    yield Measurement(f"dci on 1/{FEWER} of its rows, factors side by side", seconds, "s")
    seconds, _ = timed(call("dci", **few, workers=1))
    yield Measurement("one factor after another", seconds, "s")


if __name__ == "__main__":
    report(measure())
