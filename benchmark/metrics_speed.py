"""`python -m benchmark speed --metrics`: what scoring and encoding all of dSprites take."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import arithmetic
from benchmark.deal import Dealer
from benchmark.encode import encode
from benchmark.measured import Measured, peak_memory
from benchmark.metrics_plain import PLAIN, Grid, plain
from benchmark.registry import METHODS, METRICS
from datasets import Dataset, load
from methods.base import Method
from metrics.base import score

LATENTS = 10
PLAIN_IMAGES = 20_480
"""That the plain loop encodes; its time is of so many times more."""
FEWER = 10
"""By which dci's rows are divided here: its published size takes minutes."""

T = TypeVar("T")
Sheet = dict[str, NDArray[Any]]


def measure(data_dir: Path | None) -> Iterator[Measured]:
    """Score the codes of a random mixture of dSprites' factors, and encode all its images."""
    dataset = load("dsprites", data_dir)
    factors = dataset.factors(np.arange(len(dataset)))
    codes = mixture(factors, np.random.default_rng(0))
    yield from _seven({"codes": codes, "factors": factors})
    yield from _dci({"codes": codes, "factors": factors})
    yield from _encoding(dataset)


def mixture(factors: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return codes (N, `LATENTS`): the factors, standardised, mixed at random, with noise."""
    standard = (factors - factors.mean(0)) / factors.std(0)
    weights = rng.standard_normal((factors.shape[1], LATENTS)) / np.sqrt(LATENTS)
    noise = 0.1 * rng.standard_normal((len(factors), LATENTS))
    codes: NDArray[np.float32] = (standard @ weights + noise).astype(np.float32)
    return codes


def _seven(sheet: Sheet) -> Iterator[Measured]:
    before = peak_memory()
    ours = {name: _timed(partial(_scored, name, sheet)) for name in PLAIN}
    grown, grid = peak_memory() - before, Grid(sheet["factors"])
    slow = {name: _timed(partial(_plain, name, sheet, grid)) for name in PLAIN}
    for name, (seconds, value) in ours.items():
        took, other = slow[name]
        yield Measured(f"{name}, {value:.3f}; plain {took:.2g} s, {other:.3f}", seconds, "s")
    total, reference = (sum(took for took, _ in all.values()) for all in (ours, slow))
    yield Measured("the seven together", total, "s", "<= 4", total <= 4)
    yield Measured("plain NumPy and scikit-learn", reference, "s")
    yield Measured("memory above the codes", grown / 1e6, "MB", "< 1000", grown < 1e9)


def _scored(name: str, sheet: Sheet) -> float:
    (value,) = score(METRICS[name], sheet, np.random.default_rng(0)).values()
    return value


def _plain(name: str, sheet: Sheet, grid: Grid) -> float:
    return plain(name, sheet["codes"], grid, np.random.default_rng(0))


def _dci(sheet: Sheet) -> Iterator[Measured]:
    def call(name: str, **protocol: Any) -> Callable[[], object]:
        return lambda: METRICS[name].value(**sheet, rng=np.random.default_rng(0), **protocol)

    call("dci_fast", train=100, test=100)()  # starts the processes
    seconds, _ = _timed(call("dci_fast"))
    yield Measured("dci_fast", seconds, "s", "<= 5", seconds <= 5)
    few = {"train": 10_000 // FEWER, "test": 5_000 // FEWER}
    seconds, _ = _timed(call("dci", **few))
    yield Measured(f"dci on 1/{FEWER} of its rows, factors side by side", seconds, "s")
    seconds, _ = _timed(call("dci", **few, workers=1))
    yield Measured("one factor after another", seconds, "s")


def _encoding(dataset: Dataset) -> Iterator[Measured]:
    device = torch.device("cpu")
    precision = arithmetic.precision("auto", device)
    torch.manual_seed(0)
    method: Method = METHODS["vae"].value(dataset.spec)
    rows = np.random.default_rng(0).permutation(len(dataset))[:PLAIN_IMAGES]
    times = len(dataset) / PLAIN_IMAGES
    slow, expected = _timed(lambda: _plainly(method, dataset, rows))
    arithmetic.prepare()
    dealer = Dealer(dataset, device)
    method = method.to(memory_format=torch.channels_last)
    seconds, (codes, _) = _timed(lambda: encode(method, dealer, np.arange(len(dataset)), precision))
    yield Measured(
        f"encoding {len(dataset):,} images in {precision}", seconds, "s", "<= 40", seconds <= 40
    )
    yield Measured(f"plain eager float32, of {PLAIN_IMAGES:,} times {times:.0f}", slow * times, "s")
    differ = float(np.abs(codes[rows] - expected).max() / np.abs(expected).max())
    yield Measured("largest difference, as a part of the largest code", differ, "")


@torch.no_grad()
def _plainly(method: Method, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Encode as a tutorial does: 64 images at a time, float32, PyTorch's default layout."""
    parts = []
    for start in range(0, len(rows), 64):
        x = torch.from_numpy(dataset.images(rows[start : start + 64])).float()
        parts.append(method.posterior(x)[0])
    codes: NDArray[np.float32] = torch.cat(parts).numpy()
    return codes


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found
