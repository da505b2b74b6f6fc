"""Squares, discs and crosses of 16 x 16 pixels: a grid small enough for tests and first tries."""

from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS
from datasets.base import Grid, Spec

SPEC = Spec(
    name="toy",
    shape=(1, 16, 16),
    levels=2,
    factor_names=("shape", "size", "x", "y"),
    factor_sizes=(3, 2, 4, 4),
    label="shape",
    grid=True,
)


@DATASETS.register("toy", source="drawn here", images=96, licence="MIT", spec=SPEC, packed=None)
def toy(folder: Path | None = None) -> Grid:
    """Return the data set: 96 binary images; no file is read or written, `folder` is ignored."""
    _, size, x, y = np.indices(SPEC.factor_sizes).reshape(4, 96, 1, 1)
    v, u = np.indices((16, 16))
    dx, dy, radius = abs(u - 3 - 3 * x), abs(v - 3 - 3 * y), size + 2
    square = np.maximum(dx, dy) <= radius
    disc = np.hypot(dx, dy) <= radius + 0.2
    cross = square & (np.minimum(dx, dy) == 0)
    images = np.concatenate([square[:32], disc[32:64], cross[64:]])
    return Grid(SPEC, np.packbits(images.reshape(96, -1), axis=1))
