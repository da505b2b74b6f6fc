"""CelebA: 202,599 faces with 40 attributes each, in colour.

Liu, Luo, Wang, Tang, *Deep Learning Face Attributes in the Wild*, ICCV 2015,
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html. The aligned images, their central 148 x 148
pixels made 64 x 64, or 32 x 32 as `celeba_32`, the size that InfoGAN trains on. Factors are the
attributes.
"""

import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.registry import DATASETS, UserError
from datasets import archive, downloads, packed_file
from datasets.base import Images, Spec, Table
from datasets.downloads import Original

SOURCE = (
    "Liu, Luo, Wang, Tang, Deep Learning Face Attributes in the Wild, ICCV 2015, "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)


def _drive(name: str, key: str, md5: str, megabytes: float, *also: str) -> Original:
    """Return a file of the authors' Google Drive, at the address that asks no question."""
    url = f"https://drive.usercontent.google.com/download?id={key}&export=download&confirm=t"
    return Original(name, (url,), md5, megabytes, also, places=("", "celeba"))


FOLDER = "img_align_celeba"
IMAGES = _drive(
    "img_align_celeba.zip",
    "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
    "00d2c5bc6d35e252742224ab0c1e8fcb",
    1443,
    FOLDER,
)
ATTRIBUTES = _drive(
    "list_attr_celeba.txt", "0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c", 27
)
IDENTITIES = _drive(
    "identity_CelebA.txt",
    "1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS",
    "32bd1bd63d3c78cd57e08160ec5ed1e2",
    3,
)
SPLIT = _drive(
    "list_eval_partition.txt",
    "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
    "d32c9cbf5e040fd4025c592c306e6668",
    3,
)
FILES = (IMAGES, ATTRIBUTES, IDENTITIES, SPLIT)
UNREAD = tuple(f"attribute {number}" for number in range(1, 41))
"""Stand for the attributes until their names are read from the list."""
CROP = (15, 35, 163, 183)


FACTS: dict[str, Any] = {
    "source": SOURCE,
    "images": 202_599,
    "licence": "non-commercial research",
    "files": FILES,
    "factors": "40 attributes 2",
}


def spec(name: str, side: int, attributes: tuple[str, ...] = ()) -> Spec:
    """Return shape and factors, as many as the archive names."""
    return Spec(name, (3, side, side), 256, attributes, (2,) * len(attributes))


class CelebA(Table):
    """Faces with their attributes.

    Attributes:
        identity: (N,) whom each image shows; 10,177 people.
        split: (N,) the official part of each image: 0 training, 1 validation, 2 test.
    """

    def __init__(self, spec: Spec, packed: packed_file.Packed) -> None:
        self.identity, self.split = packed.tables["identity"], packed.tables["split"]
        train, test = (np.flatnonzero(self.split == part) for part in (0, 2))
        super().__init__(spec, packed.images, packed.tables["factors"], train, test)


@DATASETS.register("celeba", **FACTS, spec=spec("celeba", 64, UNREAD))
def celeba(folder: Path | None = None) -> CelebA:
    """Return images of 64 x 64 pixels: the official training part, and the test part held out.

    Args:
        folder: holds the archive, or the folder `img_align_celeba` out of it, and the text files.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return _load("celeba", 64, folder)


@DATASETS.register("celeba_32", **FACTS, spec=spec("celeba_32", 32, UNREAD))
def celeba_32(folder: Path | None = None) -> CelebA:
    """Return images of 32 x 32 pixels: the official training part, and the test part held out."""
    return _load("celeba_32", 32, folder)


def _load(name: str, side: int, folder: Path | None) -> CelebA:
    def contents() -> packed_file.Contents:
        return _contents(downloads.get(name, FILES, folder), side)

    packed = packed_file.packed(spec(name, side, UNREAD), contents, source=SOURCE)
    names = tuple(packed.tables["attributes"].astype(str))
    return CelebA(spec(name, side, names), packed)


def _contents(paths: list[Path], side: int) -> packed_file.Contents:
    images, *texts = paths
    files, attributes, factors = _attributes(texts[0])
    tables = {
        "factors": factors,
        "attributes": np.array(attributes, np.bytes_),
        "identity": _numbers(texts[1], files),
        "split": _numbers(texts[2], files).astype(np.uint8),
    }
    faces = blocks(images, files, side)
    return packed_file.Contents(len(files), faces, tables, downloads.about(FILES, paths))


def _attributes(path: Path) -> tuple[list[str], list[str], NDArray[np.uint8]]:
    """Return files, names of attributes, and attributes (N, 40) in {0, 1}; 1 is written 1, 0 -1."""
    with downloads.reading(path):
        count, names, *lines = path.read_text().splitlines()
        rows = [line.split() for line in lines if line.strip()]
        if len(rows) != int(count):
            raise ValueError(f"it says {count.strip()} images and lists {len(rows)}")
        values = np.array([row[1:] for row in rows], np.int8)
        if values.shape != (len(rows), len(names.split())) or not np.isin(values, (-1, 1)).all():
            raise ValueError("an image has not one of -1 and 1 for every attribute")
    return [row[0] for row in rows], names.split(), (values > 0).astype(np.uint8)


def _numbers(path: Path, files: Sequence[str]) -> NDArray[np.int32]:
    """Return the number that a text file gives to each image."""
    with downloads.reading(path):
        found = dict(line.split() for line in path.read_text().splitlines() if line.strip())
        without = [file for file in files if file not in found]
        if without:
            raise ValueError(f"{len(without):,} images are not in it, the first is {without[0]}")
        return np.array([found[file] for file in files], np.int32)


def blocks(path: Path, files: Sequence[str], side: int) -> Iterator[Images]:
    """Yield the images `files` of the archive or folder `path`, (n, 3 * side * side) at a time.

    Raises:
        benchmark.registry.UserError: an image is missing or damaged.
    """
    with archive.members(path) as (names, read):
        lacking = {f"{FOLDER}/{file}" for file in files} - set(names)
        if lacking:
            raise UserError(
                f"{path} lacks {len(lacking):,} of the {len(files):,} images that "
                f"{ATTRIBUTES.name} lists, the first is {min(lacking)}; fetch it again"
            )
        order = [f"{FOLDER}/{file}" for file in files]
        yield from archive.decoded(path, order, read, partial(decode, side=side))


def decode(jpeg: bytes, side: int) -> Images:
    """Return the image (3, side, side) of a face of 178 x 218 pixels."""
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        if image.size != (178, 218):
            raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels, not 178 x 218")
        part = image.convert("RGB").crop(CROP)  # resize's own box would look beyond its borders
    small = part.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small).transpose(2, 0, 1)
