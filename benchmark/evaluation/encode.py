"""What a trained method gives: codes of images, and images along each code."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.training.batches import Batches, in_batches
from datasets import Dataset
from datasets.base import TABLE_ROWS
from methods.base import Batch, Code, Method
from results.store import Codes, Traversal

CPU_BATCH = {"float32": 224, "bfloat16": 448}
"""Images at a time: the largest activations of 64x64 stay below what malloc maps anew, 32 MiB."""
GPU_BATCH = {"cuda": 4096, "mps": 1024}
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


def fixed_sample(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return at most n of the rows, sorted, the same every time."""
    return np.sort(np.random.default_rng(0).choice(rows, min(n, len(rows)), replace=False))


@torch.no_grad()
def encode(
    method: Method,
    batches: Batches,
    rows: NDArray[np.int64],
    report: Callable[[int], None] = lambda done: None,
) -> Codes:
    """Return the codes of the images of `rows`, with the standard deviations of a posterior.

    Codes are float32, or uint8 if the method says so. `report` is called with the number of images
    that are done.
    """
    method.eval()

    def compute(part: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        with batches.autocast():
            return _codes(method, batches.batch(method, part))

    arrays = in_batches(compute, rows, _batch_size(batches), report)
    names = [code.name for code in method.informative]
    kinds = [code.kind for code in method.informative]
    return Codes(arrays[0], rows, names, kinds, *arrays[1:])


def _batch_size(batches: Batches) -> int:
    return (GPU_BATCH | {"cpu": CPU_BATCH[batches.precision]})[batches.device.type]


def _codes(method: Method, batch: Batch) -> tuple[NDArray[Any], ...]:
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
def reconstruct(reader: Method, method: Method, batches: Batches) -> NDArray[np.float32]:
    """Return the squared errors (n,), mean over pixels, of images encoded and decoded again.

    They are test images, at most `RECONSTRUCTED` of them, the same for every method.
    """
    method.eval()
    rows = fixed_sample(batches.dataset.test, RECONSTRUCTED)

    def compute(part: NDArray[np.int64]) -> tuple[NDArray[np.float32]]:
        batch = batches.batch(reader, part)
        with batches.autocast():
            x = method.decode(reader.encode(batch))
        return ((x.float() - batch.x).square().mean((1, 2, 3)).cpu().numpy(),)

    (errors,) = in_batches(compute, rows, _batch_size(batches))
    return errors


@torch.no_grad()
def traverse(method: Method, batches: Batches) -> Traversal:
    """Return images along each code, the first `ROWS` of them.

    Start is the code of a real image; where the generator also takes noise, a draw from the prior.
    A categorical code has one image a category; places beyond are white and their value is NaN.
    """
    method.eval()
    codes = method.informative[:ROWS]
    if method.encodes and decodes_codes(method):
        rows, start = (
            batches.dataset.sample(1, np.random.default_rng(0)),
            "the code of a real image",
        )
        with batches.autocast():
            z0 = method.encode(batches.batch(method, rows)).float()
    else:
        z0, start = method.sample(1, batches.device), "a draw from the prior"
    if len(codes) < len(method.informative):
        start += f"; {ROWS} of {len(method.informative)} codes"
    values = traversal_values(codes)
    strips = strips_around(method, z0, values, batches)
    return Traversal(strips, [code.name for code in codes], values, f"around {start}")


def traversal_values(codes: Sequence[Code]) -> NDArray[np.float64]:
    """Return the values (R, `COLUMNS`) that R codes are set to; NaN beyond a code's categories."""
    values = np.full((len(codes), COLUMNS), np.nan)
    for row, code in zip(values, codes, strict=True):
        if code.kind == "categorical":
            row[: code.size] = np.arange(min(code.size, COLUMNS))
        else:
            span = SPAN.get(code.kind, 1.0)
            row[:] = np.linspace(-span, span, COLUMNS)
    return values


@torch.no_grad()
def strips_around(
    method: Method, z0: Tensor, values: NDArray[np.float64], batches: Batches
) -> NDArray[np.uint8]:
    """Return images (R, V, C, H, W) of z0 (1, L) with code i set to each of `values` (R, V).

    Where a value is NaN the image is white.
    """
    strips = np.full((*values.shape, *batches.dataset.shape), 255, np.uint8)
    for i, row in enumerate(values):
        there = np.isfinite(row)
        z = z0.repeat(int(there.sum()), 1)
        z[:, i] = torch.from_numpy(row[there].astype(np.float32)).to(z)  # MPS has no float64
        with batches.autocast():
            x = method.decode(z)
        strips[i, there] = as_bytes(x)
    return strips


def as_bytes(x: Tensor) -> NDArray[np.uint8]:
    """Return images in [0, 1] as uint8."""
    found: NDArray[np.uint8] = (x.float() * 255).round().byte().cpu().numpy()
    return found
