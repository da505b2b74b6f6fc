"""What a run keeps for figures: samples, reconstructions, and what codes tell of factors."""

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.evaluation.encode import (
    WIDE,
    as_bytes,
    decodes_codes,
    fixed_sample,
    strips_around,
    traversal_values,
)
from benchmark.training.batches import Batches
from datasets import Dataset
from methods.base import Method
from metrics.discretise import discretise, entropy, mutual_information
from metrics.udr import mean_kl
from results.arrays import Information, Pictures
from results.store import Codes, Folder

SAMPLES = 64
SHOWN = 10
"""Images that are reconstructed, and codes that are traversed from the prior."""
DRAWS = 4
"""Draws from the prior that are traversed."""
COUNTED = 10_000
"""Images that mutual information, as in MIG, and KL divergence are of."""
BINS = 20
VALUES = 64
"""Values of a factor beyond which no mean code per value is kept."""


def keep(folder: Folder, method: Method, reader: Method, batches: Batches) -> None:
    """Write `pictures.h5` if the method generates, and `information.h5` if it has codes.

    Args:
        folder: the run's; its `codes.h5` is there if `reader` encodes.
        method: the trained method.
        reader: what infers codes: the method itself or its post-hoc encoder.
        batches: as in training.
    """
    method.eval()
    if method.decodes:
        folder.write(pictures(method, reader, batches))
    found = folder.get(Codes)
    if found is not None and found.codes.shape[1] <= WIDE:
        folder.write(information(found, batches.dataset))


@torch.no_grad()
def pictures(method: Method, reader: Method, batches: Batches) -> Pictures:
    """Return samples, reconstructions, and images along codes around draws from the prior."""
    codes = method.informative[:SHOWN]
    values = traversal_values(codes)
    draws = method.sample(DRAWS, batches.device)
    prior = np.stack([strips_around(method, z, values, batches) for z in draws[:, None]])
    with batches.autocast():
        samples = as_bytes(method.decode(method.sample(SAMPLES, batches.device)))
    originals, again = _reconstructions(method, reader, batches)
    return Pictures(samples, originals, again, prior, [code.name for code in codes], values)


def _reconstructions(
    method: Method, reader: Method, batches: Batches
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return test images and what is made of their codes; none where noise decides it, too."""
    if not (reader.encodes and decodes_codes(method)):
        nothing = np.zeros((0, *batches.dataset.shape), np.uint8)
        return nothing, nothing
    rows = fixed_sample(batches.dataset.test, SHOWN)
    with batches.autocast():
        batch = batches.batch(reader, rows)
        again = method.decode(reader.eval().encode(batch).float())
    return as_bytes(batch.x), as_bytes(again)


def information(found: Codes, dataset: Dataset) -> Information:
    """Return what codes (M, L) tell of the factors of their images: see `Information`.

    The mutual information is that of MIG: counted in `BINS` bins of equal width, of `COUNTED`
    images at most, drawn the same way every time.
    """
    lines = fixed_sample(np.arange(len(found.rows)), COUNTED)
    codes, factors = found.codes[lines], dataset.factors(found.rows[lines])
    sizes = [size if size <= VALUES else 0 for size in dataset.factor_sizes]
    tables = [_means(codes, factors[:, k], size) for k, size in enumerate(sizes)]
    return Information(
        mutual_information(discretise(codes, BINS), factors).reshape(codes.shape[1], len(sizes)),
        entropy(factors),
        np.full(codes.shape[1], np.nan) if found.std is None else mean_kl(codes, found.std[lines]),
        list(found.names),
        list(dataset.factor_names),
        np.concatenate([np.zeros((0, codes.shape[1])), *tables]),
        np.array(sizes, np.int64),
        confusion(found, dataset),
    )


def confusion(found: Codes, dataset: Dataset) -> NDArray[np.int64] | None:
    """Return how many images have each category (A) of c1, by the label (B): see `Information`."""
    label = dataset.spec.label_column
    if label is None or "categorical" not in found.kinds:
        return None
    c1 = found.codes[:, list(found.kinds).index("categorical")].astype(np.int64)
    counts: NDArray[np.int64] = np.zeros((c1.max() + 1, dataset.factor_sizes[label]), np.int64)
    np.add.at(counts, (c1, dataset.factors(found.rows)[:, label]), 1)
    return counts


def _means(
    codes: NDArray[np.floating], factor: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    """Return the mean code (size, L) of the images of each value; NaN where there is no image."""
    counts = np.bincount(factor, minlength=size)[:size] if size else np.zeros(0)
    sums = [np.bincount(factor, code, minlength=size)[:size] for code in codes.T]
    with np.errstate(invalid="ignore"):
        return np.stack(sums, 1) / counts[:, None]
