"""3D Shapes: 480,000 rendered scenes of 64 x 64 pixels, in colour.

Burgess, Kim, *3D Shapes Dataset*, 2018, https://github.com/google-deepmind/3d-shapes.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.registry import DATASETS
from datasets import downloads, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = "Burgess, Kim, 3D Shapes Dataset, 2018, https://github.com/google-deepmind/3d-shapes"
FILES = (
    Original(
        "3dshapes.h5",
        ("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
        "099a2078d58cec4daad0702c55d06868",
        268,
    ),
)
SPEC = Spec(
    name="shapes3d",
    shape=(3, 64, 64),
    levels=256,
    factor_names=("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
    factor_sizes=(10, 10, 10, 8, 4, 15),
    label="shape",
    grid=True,
)
BLOCK = 2_000


@DATASETS.register(
    "shapes3d", source=SOURCE, images=480_000, licence="Apache 2.0", files=FILES, spec=SPEC
)
def shapes3d(folder: Path | None = None) -> Grid:
    """Return the data set, packed at first use.

    Raises:
        benchmark.registry.UserError: the file is damaged, or missing and cannot be fetched.
    """
    return prepared.grid(SPEC, _blocks, source=SOURCE, files=FILES, folder=folder)


def _blocks(paths: list[Path]) -> Iterator[Images]:
    """Yield the images in the order of the grid, channels first."""
    (path,), count = paths, math.prod(SPEC.factor_sizes)
    with downloads.reading(path), h5py.File(path, locking=False) as file:
        images = file["images"]
        if images.shape != (count, 64, 64, 3) or images.dtype != np.uint8:
            found = f"{images.dtype} {images.shape}"
            raise ValueError(f"its images are {found}, not uint8 {(count, 64, 64, 3)}")
        _check_order(file["labels"][()])
        for start in range(0, count, BLOCK):
            block = images[start : start + BLOCK].transpose(0, 3, 1, 2)
            yield np.ascontiguousarray(block).reshape(len(block), -1)


def _check_order(labels: NDArray[np.float64]) -> None:
    """Raise ValueError unless the labels (N, 6) are those of the grid, in its order."""
    classes = [np.unique(column, return_inverse=True)[1] for column in labels.T]
    cells = np.unravel_index(np.arange(np.prod(SPEC.factor_sizes)), SPEC.factor_sizes)
    if not np.array_equal(classes, cells):
        raise ValueError("its labels are not in the order of the grid")
