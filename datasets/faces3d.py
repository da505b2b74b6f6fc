"""3D Faces: renders of the Basel face model, whose licence a user signs, and who makes them.

Paysan, Knothe, Amberg, Romdhani, Vetter, *A 3D Face Model for Pose and Illumination Invariant Face
Recognition*, AVSS 2009, https://faces.dmi.unibas.ch/bfm/. The file is the one that the code of Chen
et al. (beta-TCVAE, 2018, https://arxiv.org/abs/1802.04942) reads: a tensor of bytes
(50 identities, 21 azimuths, 11 elevations, 11 lights, 64, 64).
"""

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.registry import DATASETS
from datasets import downloads, prepared
from datasets.base import Grid, Images, Spec
from datasets.downloads import Original

SOURCE = (
    "Paysan, Knothe, Amberg, Romdhani, Vetter, A 3D Face Model for Pose and Illumination Invariant "
    "Face Recognition, AVSS 2009, https://faces.dmi.unibas.ch/bfm/"
)
FILES = (Original("basel_face_renders.pth", places=("", "faces3d")),)
FACTORS = {"identity": 50, "azimuth": 21, "elevation": 11, "light": 11}
FACTS: dict[str, Any] = {
    "source": SOURCE,
    "images": 127_050,
    "licence": "signed, of the Basel face model",
    "files": FILES,
}


def spec(name: str, side: int) -> Spec:
    """Return shape and factors."""
    return Spec(name, (1, side, side), 256, tuple(FACTORS), tuple(FACTORS.values()), grid=True)


@DATASETS.register("faces3d", **FACTS, spec=spec("faces3d", 64))
def faces3d(folder: Path | None = None) -> Grid:
    """Return grey images of 64 x 64 pixels, packed at first use.

    Raises:
        benchmark.registry.UserError: the user's file is damaged or missing.
    """
    return _load("faces3d", 64, folder)


@DATASETS.register("faces3d_32", **FACTS, spec=spec("faces3d_32", 32))
def faces3d_32(folder: Path | None = None) -> Grid:
    """Return grey images of 32 x 32 pixels, the size that InfoGAN trains on."""
    return _load("faces3d_32", 32, folder)


def _load(name: str, side: int, folder: Path | None) -> Grid:
    blocks = partial(_blocks, side=side)
    return prepared.grid(spec(name, side), blocks, source=SOURCE, files=FILES, folder=folder)


def _renders(path: Path) -> NDArray[np.uint8]:
    """Return the images (N, 64, 64); nothing but a tensor is unpickled."""
    import torch

    with downloads.reading(path):
        try:
            try:
                found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # the older format, which cannot be mapped
                found = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:  # torch would advise to run what the file holds
            raise ValueError("it is no tensor that torch can load safely") from error
        sizes = (*FACTORS.values(), 64, 64)
        if not isinstance(found, torch.Tensor) or found.dtype != torch.uint8:
            raise ValueError("it does not hold a tensor of bytes")
        if tuple(found.shape) != sizes:
            raise ValueError(f"its images are {tuple(found.shape)}, not {sizes}")
        return found.numpy().reshape(-1, 64, 64)


def _blocks(paths: list[Path], side: int) -> Iterator[Images]:
    (path,) = paths
    for part in np.array_split(_renders(path), 50):
        if side != 64:
            part = np.stack([_resized(image, side) for image in part])
        yield np.ascontiguousarray(part).reshape(len(part), -1)


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))
