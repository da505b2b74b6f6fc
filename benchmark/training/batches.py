"""Batches: a data set's rows as tensors, and nothing that a method may not see."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.training import hardware
from benchmark.training.hardware import Precision, autocast
from datasets.base import Dataset
from methods.base import Batch, Method


def in_batches(
    compute: Callable[[NDArray[np.int64]], tuple[NDArray[Any], ...]],
    rows: NDArray[np.int64],
    size: int,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[NDArray[Any], ...]:
    """Return what `compute` returns for `rows` (n,), of which it gets `size` at a time.

    The arrays (n, ...) are made when the first batch is there. Kept one by one, the small arrays of
    batches would lie where a batch of images was freed, and the process would grow by such a batch
    each time.

    Args:
        compute: returns arrays (m, ...) for m rows.
        rows: of a data set.
        size: of a batch.
        report: called after each batch with the number of rows that are done.
    """
    found: tuple[NDArray[Any], ...] = ()
    for start in range(0, len(rows), size):
        arrays = compute(rows[start : start + size])
        if not found:
            found = tuple(np.empty((len(rows), *x.shape[1:]), x.dtype) for x in arrays)
        for out, array in zip(found, arrays, strict=True):
            out[start : start + size] = array
        report(min(start + size, len(rows)))
    return found


class Batches:
    """Batches by step number: batch n of a seed is the same whether or not the run was interrupted.

    On a GPU the packed images are in its memory where they take no more than half of what is free,
    so that a batch is an index and no copy.

    Attributes:
        dataset: whose images they are.
        device: where they are.
        precision: what nets compute in on them, within `autocast`.
        seed: of training batches.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        precision: Precision = "float32",
        seed: int = 0,
    ) -> None:
        self.dataset, self.device = dataset, device
        self.precision, self.seed = precision, seed
        self._packed: Tensor | None = None
        on_gpu = device.type != "cpu" and not dataset.on_the_fly
        if on_gpu and dataset.packed.nbytes <= hardware.memory_for_images(device):
            self._packed = torch.from_numpy(dataset.packed[:]).to(device)

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which nets run on batches."""
        return autocast(self.device, self.precision)

    def training_batch(self, method: Method, step: int) -> Batch:
        """Return training batch number `step`, as `method.sees` entitles it."""
        return self.unpacked(self.draw(method, step).to(self.device))

    def draw(self, method: Method, step: int) -> Batch:
        """Return training batch number `step` in the host's memory, before it is `unpacked`.

        Its images are as they are stored: their rows, where the packed images are on the device.
        """
        rng = np.random.default_rng([self.seed, step])
        n, phase = method.batch_size * method.batches, method.phase(step)
        if method.sees == "pairs":
            rows, others = self.dataset.sample_pairs(method.pair_factor, n, rng)
            return Batch(self._stored(rows), y=self._stored(others), phase=phase)
        if method.sees == "one-factor":
            weights = np.array(method.factor_weights or [1] * len(self.dataset.factor_sizes))
            active = int(rng.choice(len(weights), p=weights / weights.sum()))
            rows = self.dataset.sample_varying(active, n, rng)
            return Batch(self._stored(rows), active=active, phase=phase)
        rows = self.dataset.sample(n, rng)
        return Batch(self._stored(rows), self._factors(method, rows), phase=phase)

    def unpacked(self, batch: Batch) -> Batch:
        """Return a batch that was drawn, and is on the device, with images in [0, 1]."""
        y = None if batch.y is None else self._decoded(batch.y)
        return replace(batch, x=self._decoded(batch.x), y=y)

    def batch(self, method: Method, rows: NDArray[np.int64]) -> Batch:
        """Return the images of `rows`, with factors or the label if the method is granted them.

        A reference row gets no images, but a tensor (n, 0): reading those it ignores takes minutes.
        """
        x = torch.empty(len(rows), 0, device=self.device) if method.reference else self.images(rows)
        factors = self._factors(method, rows)
        return Batch(x, None if factors is None else factors.to(self.device))

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """Return images (n, C, H, W), float32 in [0, 1]."""
        return self._decoded(self._stored(rows).to(self.device, non_blocking=True))

    def _factors(self, method: Method, rows: NDArray[np.int64]) -> Tensor | None:
        """Return the factors (n, K) or the label (n, 1) of rows if the method is granted them."""
        if method.sees not in ("factors", "label"):
            return None
        factors = self.dataset.factors(rows)
        column = self.dataset.spec.label_column
        if method.sees == "label" and column is not None:
            factors = factors[:, column : column + 1]
        return torch.from_numpy(factors)

    def _stored(self, rows: NDArray[np.int64]) -> Tensor:
        """Return what the device needs of images: their rows if it has them, else the images."""
        return torch.from_numpy(self.dataset.images(rows) if self._packed is None else rows)

    def _decoded(self, stored: Tensor) -> Tensor:
        """Return images (n, C, H, W), float32 in [0, 1], of what `_stored` returns, moved."""
        x = stored
        if self._packed is not None:
            x = unpack(self._packed[stored], self.dataset.levels, self.dataset.shape)
        x = x.to(torch.float32, copy=True)
        return x if self.dataset.levels == 2 else x.div_(self.dataset.levels - 1)


def unpack(packed: Tensor, levels: int, shape: tuple[int, int, int]) -> Tensor:
    """Return images (n, C, H, W) of packed rows (n, bytes), as `Dataset.images` does."""
    if levels == 2:
        bits = torch.arange(7, -1, -1, device=packed.device, dtype=torch.uint8)
        packed = (packed[:, :, None] >> bits & 1).flatten(1)[:, : shape[0] * shape[1] * shape[2]]
    return packed.view(-1, *shape)
