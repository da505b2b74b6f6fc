"""What a trained method is asked for: codes of images, and images along each code."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.training.batches import Dealer, gathered
from benchmark.training.hardware import Precision, autocast
from datasets import Dataset
from datasets.base import TABLE_ROWS
from methods.base import Batch, Code, Method
from results.store import Traversal

CPU_BATCH = {"float32": 224, "bfloat16": 448}
"""Images at a time: the largest activations of 64x64 stay below what malloc maps anew, 32 MiB."""
CUDA_BATCH = 4096
RECONSTRUCTED = 10_000
WIDE = 64
COLUMNS = 10
ROWS = 20
SPAN = {"normal": 3.0, "uniform": 2.0}


def rows_to_encode(dataset: Dataset, width: int, size: int | None = None) -> NDArray[np.int64]:
    """Return the rows that metrics see: a data set's table, a sample of over `WIDE` codes.

    Raw pixels are such a code: all of dSprites' would take twelve gigabytes.
    """
    return dataset.table_rows(TABLE_ROWS if size is None and width > WIDE else size)


@torch.no_grad()
def encode(
    method: Method,
    dealer: Dealer,
    rows: NDArray[np.int64],
    precision: Precision,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[NDArray[Any], NDArray[np.float16] | None]:
    """Return the codes (M, L) of the images of `rows`, and their posterior's standard deviations.

    Codes are float32, or uint8 if the method says so; without a posterior the second is None.
    """
    method.eval()

    def parts() -> Iterator[tuple[NDArray[Any], ...]]:
        done = 0
        for part in _parts(rows, dealer.device, precision):
            with autocast(dealer.device, precision):
                found = _posterior(method, dealer.batch(method, part))
            yield found
            done += len(part)
            report(done)

    codes, *std = gathered(parts(), len(rows))
    return codes, std[0] if std else None


def _parts(
    rows: NDArray[np.int64], device: torch.device, precision: Precision
) -> Iterator[NDArray[np.int64]]:
    size = CPU_BATCH[precision] if device.type == "cpu" else CUDA_BATCH
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _posterior(method: Method, batch: Batch) -> tuple[NDArray[Any], ...]:
    """Return the codes of a batch and, if it has a posterior, their standard deviations."""
    if not method.has_posterior:
        z = method.encode(batch)
        return ((z if z.dtype == torch.uint8 else z.float()).cpu().numpy(),)
    q = method.posterior(batch.x)
    return q.mean.float().cpu().numpy(), q.scale.half().cpu().numpy()


def decodes_codes(method: Method) -> bool:
    """Return whether the method makes images of its codes alone, without noise beside them."""
    return method.decodes and len(method.informative) == len(method.codes)


@torch.no_grad()
def reconstruct(
    reader: Method, method: Method, dealer: Dealer, precision: Precision
) -> NDArray[np.float32]:
    """Return the squared errors (n,), mean over pixels, of images read and decoded again.

    They are held-out images, at most `RECONSTRUCTED` of them, the same for every method.
    """
    method.eval()
    held = dealer.dataset.test
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(held, min(RECONSTRUCTED, len(held)), replace=False))

    def parts() -> Iterator[tuple[NDArray[np.float32]]]:
        for part in _parts(rows, dealer.device, precision):
            batch = dealer.batch(reader, part)
            with autocast(dealer.device, precision):
                x = method.decode(reader.encode(batch))
            yield ((x.float() - batch.x).square().mean((1, 2, 3)).cpu().numpy(),)

    (errors,) = gathered(parts(), len(rows))
    return errors


@torch.no_grad()
def traverse(method: Method, dealer: Dealer, precision: Precision) -> Traversal:
    """Return images along each code, the first `ROWS` of them.

    Start is the code of a real image; where the generator also takes noise, a draw from the prior.
    A categorical code has one image a category; places beyond are white and their value is NaN.
    """
    method.eval()
    codes = method.informative[:ROWS]
    z0, start = _start(method, dealer, precision)
    if len(codes) < len(method.informative):
        start += f"; {ROWS} of {len(method.informative)} codes"
    values = values_of(codes)
    strips = strips_around(method, z0, values, dealer, precision)
    return Traversal(strips, [code.name for code in codes], values, f"around {start}")


@torch.no_grad()
def strips_around(
    method: Method,
    z0: Tensor,
    values: NDArray[np.float64],
    dealer: Dealer,
    precision: Precision,
) -> NDArray[np.uint8]:
    """Return images (R, V, C, H, W) of z0 (1, L) with code i set to each of `values` (R, V).

    Where a value is NaN the image is white.
    """
    strips = np.full((*values.shape, *dealer.dataset.shape), 255, np.uint8)
    for i, row in enumerate(values):
        there = np.isfinite(row)
        z = z0.repeat(int(there.sum()), 1)
        z[:, i] = torch.from_numpy(row[there]).to(z)
        with autocast(dealer.device, precision):
            x = method.decode(z)
        strips[i, there] = as_bytes(x)
    return strips


def values_of(codes: Sequence[Code]) -> NDArray[np.float64]:
    """Return the values (R, `COLUMNS`) that R codes are set to; NaN beyond a code's categories."""
    return np.stack([_values(code) for code in codes])


def as_bytes(x: Tensor) -> NDArray[np.uint8]:
    """Return images in [0, 1] as uint8."""
    found: NDArray[np.uint8] = (x.float() * 255).round().byte().cpu().numpy()
    return found


def _start(method: Method, dealer: Dealer, precision: Precision) -> tuple[Tensor, str]:
    if not method.encodes or len(method.informative) < len(method.codes):
        return method.sample(1, dealer.device), "a draw from the prior"
    rows = dealer.dataset.sample(1, np.random.default_rng(0))
    with autocast(dealer.device, precision):
        return method.encode(dealer.batch(method, rows)).float(), "the code of a real image"


def _values(code: Code) -> NDArray[np.float64]:
    if code.kind != "categorical":
        span = SPAN.get(code.kind, 1.0)
        return np.linspace(-span, span, COLUMNS)
    values = np.full(COLUMNS, np.nan)
    n = min(code.size, COLUMNS)
    values[:n] = np.arange(n)
    return values
