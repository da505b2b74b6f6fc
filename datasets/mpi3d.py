"""MPI3D: 1,036,800 pictures of a robot arm, 64 x 64 pixels, drawn, rendered and photographed.

Gondal et al., *On the Transfer of Inductive Bias from Simulation to the Real World*, NeurIPS 2019,
https://arxiv.org/abs/1906.03292.
"""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.registry import DATASETS
from datasets import downloads, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = (
    "Gondal et al., On the Transfer of Inductive Bias from Simulation to the Real World, "
    "NeurIPS 2019, https://arxiv.org/abs/1906.03292"
)
URL = "https://storage.googleapis.com/disentanglement_dataset/Final_Dataset/"
MD5 = {
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}
FILES = {
    kind: Original(f"mpi3d_{kind}.npz", (f"{URL}mpi3d_{kind}.npz",), md5, places=("", "mpi3d"))
    for kind, md5 in MD5.items()
}
FACTORS = {
    "object_color": 6,
    "object_shape": 6,
    "object_size": 2,
    "camera_height": 3,
    "background_color": 3,
    "horizontal_axis": 40,
    "vertical_axis": 40,
}
BLOCK = 1_600


def spec(kind: str) -> Spec:
    """Return shape and factors."""
    sizes = tuple(FACTORS.values())
    return Spec(f"mpi3d_{kind}", (3, 64, 64), 256, tuple(FACTORS), sizes, "object_shape", grid=True)


def _facts(kind: str) -> dict[str, Any]:
    return {
        "source": SOURCE,
        "images": 1_036_800,
        "licence": "CC BY 4.0",
        "files": (FILES[kind],),
        "spec": spec(kind),
    }


@DATASETS.register("mpi3d_toy", **_facts("toy"))
def mpi3d_toy(folder: Path | None = None) -> Grid:
    """Return the simple drawings, packed at first use."""
    return _load("toy", folder)


@DATASETS.register("mpi3d_realistic", **_facts("realistic"))
def mpi3d_realistic(folder: Path | None = None) -> Grid:
    """Return the realistic renders, packed at first use."""
    return _load("realistic", folder)


@DATASETS.register("mpi3d_real", **_facts("real"))
def mpi3d_real(folder: Path | None = None) -> Grid:
    """Return the photographs, packed at first use."""
    return _load("real", folder)


def _load(kind: str, folder: Path | None) -> Grid:
    files = [FILES[kind]]
    return prepared.grid(spec(kind), _blocks, source=SOURCE, files=files, folder=folder)


def _blocks(paths: list[Path]) -> Iterator[Images]:
    """Yield the images in the order of the grid, channels first.

    The array is read as a stream: its 12.7 GB at once are too many, and nothing is unpickled.
    """
    (path,), count = paths, math.prod(FACTORS.values())
    expected = ((count, 64, 64, 3), False, np.dtype(np.uint8))
    with (
        downloads.reading(path),
        zipfile.ZipFile(path) as archive,
        archive.open("images.npy") as file,
    ):
        np.lib.format.read_magic(file)
        found = np.lib.format.read_array_header_1_0(file)
        if found != expected:
            raise ValueError(f"its images are {found}, not {expected}")
        for start in range(0, count, BLOCK):
            n = min(BLOCK, count - start)
            block = np.frombuffer(file.read(n * 64 * 64 * 3), np.uint8).reshape(n, 64, 64, 3)
            yield np.ascontiguousarray(block.transpose(0, 3, 1, 2)).reshape(n, -1)
