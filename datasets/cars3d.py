"""Cars3D: 183 car models seen from 24 x 4 sides, in colour, 64 x 64 pixels.

Reed, Zhang, Zhang, Lee, *Deep Visual Analogy-Making*, NeurIPS 2015,
https://papers.nips.cc/paper/5845-deep-visual-analogy-making. Cars are in alphabetical order: that
of the archive, which disentanglement_lib takes from the file system, is not the same everywhere.
"""

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmark.registry import DATASETS
from datasets import archive, downloads, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = (
    "Reed, Zhang, Zhang, Lee, Deep Visual Analogy-Making, NeurIPS 2015, "
    "https://papers.nips.cc/paper/5845-deep-visual-analogy-making"
)
FILES = (
    Original(
        "nips2015-analogy-data.tar.gz",
        ("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",),
        "4e866a7919c1beedf53964e6f7a23686",
    ),
)
SPEC = Spec(
    name="cars3d",
    shape=(3, 64, 64),
    levels=256,
    factor_names=("elevation", "azimuth", "car"),
    factor_sizes=(4, 24, 183),
    grid=True,
)


@DATASETS.register(
    "cars3d", source=SOURCE, images=17_568, licence="not stated", files=FILES, spec=SPEC
)
def cars3d(folder: Path | None = None) -> Grid:
    """Return the data set, packed at first use.

    Raises:
        benchmark.registry.UserError: the file is damaged, or missing and cannot be fetched.
    """
    return prepared.grid(SPEC, _blocks, source=SOURCE, files=FILES, folder=folder)


def _blocks(paths: list[Path]) -> list[Images]:
    """Return all images at once: a car is every 183rd of them."""
    (path,) = paths
    *sides, cars = SPEC.factor_sizes
    images = np.empty((*sides, cars, 3 * 64 * 64), np.uint8)
    with downloads.reading(path), archive.members(path) as (names, read):
        # disentanglement_lib takes them as the file system lists them: another order elsewhere.
        inside = [name for name in names if PurePosixPath(name).match("cars/*_mesh.mat")]
        if len(inside) != cars:
            raise ValueError(f"it holds {len(inside)} cars, not {cars}")
        order = sorted(inside, key=lambda name: PurePosixPath(name).name)
        for name in track(inside, "Packing Cars3D", console=Console(stderr=True)):
            with downloads.reading(path, name):
                images[:, :, order.index(name)] = _sides(read(name))
    return [images.reshape(-1, 3 * 64 * 64)]


def _sides(content: bytes) -> Images:
    """Return a car's images (4, 24, 12288), halved in size as in disentanglement_lib."""
    from scipy.io import loadmat

    sides = loadmat(io.BytesIO(content))["im"]  # type: ignore[arg-type]
    if sides.shape != (128, 128, 3, 24, 4):
        raise ValueError(f"a car's images are {sides.shape}, not (128, 128, 3, 24, 4)")
    found = [_halved(sides[..., a, e]) for e in range(4) for a in range(24)]
    return np.stack(found).reshape(4, 24, -1)


def _halved(image: Images) -> Images:
    small = Image.fromarray(image).resize((64, 64), Image.Resampling.LANCZOS)
    return np.asarray(small).transpose(2, 0, 1).ravel()
