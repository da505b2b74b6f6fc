"""SmallNORB: 48,600 grey photographs of toys, 64 x 64 pixels, on a full grid of factors.

LeCun, Huang, Bottou, *Learning Methods for Generic Object Recognition with Invariance to Pose and
Lighting*, CVPR 2004, https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/. As in disentanglement_lib:
training and test files together, the left image of each pair.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from benchmark.registry import DATASETS
from datasets import downloads, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = (
    "LeCun, Huang, Bottou, Learning Methods for Generic Object Recognition with Invariance to "
    "Pose and Lighting, CVPR 2004, https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
)
URL = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
PARTS = ("5x46789x9x18x6x2x96x96-training", "5x01235x9x18x6x2x96x96-testing")
KINDS = ("dat", "cat", "info")
FILES = tuple(
    Original(f"smallnorb-{part}-{kind}.mat.gz", (f"{URL}smallnorb-{part}-{kind}.mat.gz",))
    for part in PARTS
    for kind in KINDS
)
SPEC = Spec(
    name="smallnorb",
    shape=(1, 64, 64),
    levels=256,
    factor_names=("category", "instance", "elevation", "azimuth", "lighting"),
    factor_sizes=(5, 10, 9, 18, 6),
    label="category",
    grid=True,
)
TYPES: dict[int, DTypeLike] = {0x1E3D4C55: "u1", 0x1E3D4C54: "<i4"}
"""What the first four bytes of a file say of its values."""


@DATASETS.register(
    "smallnorb", source=SOURCE, images=48_600, licence="research only", files=FILES, spec=SPEC
)
def smallnorb(folder: Path | None = None) -> Grid:
    """Return the data set, packed at first use.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return prepared.grid(SPEC, _blocks, source=SOURCE, files=FILES, folder=folder)


def _blocks(paths: list[Path]) -> list[Images]:
    images, factors = [], []
    for start in range(0, len(paths), len(KINDS)):
        dat, cat, info = (_matrix(path) for path in paths[start : start + len(KINDS)])
        with downloads.reading(paths[start]):
            _check(dat, cat, info)
            images.append(_small(dat))
            factors.append(_factors(cat, info))
    with downloads.reading(paths[0].parent, "smallnorb-*.mat.gz"):
        return [_ordered(np.concatenate(images), np.concatenate(factors))]


def _matrix(path: Path) -> NDArray[Any]:
    """Return the array in a file of NORB's binary format, gzipped.

    A magic number tells the type of values, then come the number of dimensions and at least three
    sizes, all little-endian integers of four bytes.
    """
    with downloads.reading(path):
        content = gzip.decompress(path.read_bytes())
        magic, dimensions = np.frombuffer(content, "<i4", 2).tolist()
        if magic not in TYPES or not 1 <= dimensions <= 8:
            raise ValueError(f"it begins with {content[:8].hex()}, which is not NORB's format")
        sizes = np.frombuffer(content, "<i4", max(3, dimensions), 8)
        values: NDArray[Any] = np.frombuffer(content, TYPES[magic], offset=8 + sizes.nbytes)
        return values.reshape(tuple(sizes[:dimensions].tolist()))


def _check(dat: NDArray[Any], cat: NDArray[Any], info: NDArray[Any]) -> None:
    """Raise ValueError unless these are pairs of images, their categories and their info."""
    count = len(dat)
    found, wanted = (dat.shape, cat.shape, info.shape), ((count, 2, 96, 96), (count,), (count, 4))
    if found != wanted or dat.dtype != np.uint8:
        raise ValueError(
            f"dat is {dat.shape} of {dat.dtype}, cat {cat.shape} and info {info.shape}, "
            "not (N, 2, 96, 96) of uint8, (N,) and (N, 4)"
        )


def _small(pairs: NDArray[Any]) -> Images:
    """Return the left images (N, 4096) of pairs (N, 2, 96, 96)."""
    size = (64, 64)
    left = (Image.fromarray(pair[0]).resize(size, Image.Resampling.LANCZOS) for pair in pairs)
    return np.stack([np.asarray(image).ravel() for image in left])


def _factors(cat: NDArray[Any], info: NDArray[Any]) -> NDArray[np.int64]:
    """Return the factors (N, 5); azimuths are written down as even numbers."""
    instance, elevation, azimuth, lighting = info.T
    return np.stack([cat, instance, elevation, azimuth // 2, lighting], 1).astype(np.int64)


def _ordered(images: Images, factors: NDArray[np.int64]) -> Images:
    """Return the images in the order of the grid.

    Raises:
        ValueError: a cell of the grid is not there exactly once.
    """
    cells = np.ravel_multi_index(tuple(factors.T), SPEC.factor_sizes)
    order = np.argsort(cells)
    if not np.array_equal(cells[order], np.arange(np.prod(SPEC.factor_sizes))):
        raise ValueError("its images are not every combination of factors once")
    return images[order]
