"""3D Chairs: renders of 1,393 chair models from 31 x 2 sides.

Aubry, Maturana, Efros, Russell, Sivic, *Seeing 3D chairs*, CVPR 2014,
https://www.di.ens.fr/willow/research/seeing3Dchairs/. The usual crop, columns and rows 100 to 500
of 600, then 64 x 64 pixels in grey, as InfoGAN has them; in colour as `chairs_rgb`, and in grey of
128 x 128 as `chairs_128`.
"""

import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.registry import DATASETS, UserError
from datasets import archive, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = (
    "Aubry, Maturana, Efros, Russell, Sivic, Seeing 3D chairs, CVPR 2014, "
    "https://www.di.ens.fr/willow/research/seeing3Dchairs/"
)
FILES = (
    Original(
        "rendered_chairs.tar",
        ("https://www.di.ens.fr/willow/research/seeing3Dchairs/data/rendered_chairs.tar",),
        also=("rendered_chairs",),
        places=("", "chairs"),
    ),
)
NAME = re.compile(r"([^/]+)/renders/image_\d+_p(\d+)_t(\d+)_r\d+\.png$")
CROP = (100, 100, 500, 500)
CHAIRS, ELEVATIONS, AZIMUTHS = 1_393, 2, 31

Shape = tuple[int, int, int]


def spec(name: str, shape: Shape) -> Spec:
    """Return shape and factors."""
    sizes = (CHAIRS, ELEVATIONS, AZIMUTHS)
    return Spec(name, shape, 256, ("chair", "elevation", "azimuth"), sizes, grid=True)


FACTS: dict[str, Any] = {
    "source": SOURCE,
    "images": 86_366,
    "licence": "not stated",
    "files": FILES,
}


@DATASETS.register("chairs", **FACTS, spec=spec("chairs", (1, 64, 64)))
def chairs(folder: Path | None = None) -> Grid:
    """Return grey images of 64 x 64 pixels, packed at first use.

    Args:
        folder: holds the archive, or the folder `rendered_chairs` out of it.

    Raises:
        benchmark.registry.UserError: the file is damaged, or missing and cannot be fetched.
    """
    return _load("chairs", (1, 64, 64), folder)


@DATASETS.register("chairs_rgb", **FACTS, spec=spec("chairs_rgb", (3, 64, 64)))
def chairs_rgb(folder: Path | None = None) -> Grid:
    """Return colour images of 64 x 64 pixels, packed at first use."""
    return _load("chairs_rgb", (3, 64, 64), folder)


@DATASETS.register("chairs_128", **FACTS, spec=spec("chairs_128", (1, 128, 128)))
def chairs_128(folder: Path | None = None) -> Grid:
    """Return grey images of 128 x 128 pixels, packed at first use."""
    return _load("chairs_128", (1, 128, 128), folder)


def _load(name: str, shape: Shape, folder: Path | None) -> Grid:
    blocks = partial(_blocks, shape=shape)
    return prepared.grid(spec(name, shape), blocks, source=SOURCE, files=FILES, folder=folder)


def _blocks(paths: list[Path], shape: Shape) -> Iterator[Images]:
    (path,) = paths
    with archive.members(path) as (names, read):
        order = ordered(path, names)
        yield from archive.decoded(path, order, read, partial(decode, shape=shape))


def ordered(path: Path, names: list[str]) -> list[str]:
    """Return the names of the renders in the order of the grid: chairs by name, then angles.

    Raises:
        benchmark.registry.UserError: a chair is missing, or a side of one.
    """
    found = {}
    for name in names:
        if match := NAME.search(name):
            found[match[1], int(match[2]), int(match[3])] = name
    sides = [sorted({key[k] for key in found}) for k in range(3)]
    sizes = tuple(len(side) for side in sides)
    if sizes != (CHAIRS, ELEVATIONS, AZIMUTHS) or len(found) != np.prod(sizes):
        raise UserError(
            f"{path} holds {len(found):,} renders of {sizes[0]:,} chairs from {sizes[1]} x "
            f"{sizes[2]} sides, not {CHAIRS:,} from {ELEVATIONS} x {AZIMUTHS}; fetch it again"
        )
    return [found[key] for key in sorted(found)]


def decode(png: bytes, shape: Shape) -> Images:
    """Return the image (C, H, W) of a render of 600 x 600 pixels."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        if image.size != (600, 600):
            raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels, not 600 x 600")
        part = image.convert("RGB").crop(CROP)
    part = part.convert("L" if shape[0] == 1 else "RGB")
    small = np.asarray(part.resize(shape[1:], Image.Resampling.LANCZOS))
    return small.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
