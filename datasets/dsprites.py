"""dSprites: white squares, ellipses and hearts, drawn exactly as the published file has them.

Matthey, Higgins, Hassabis, Lerchner, *dSprites: Disentanglement testing Sprites dataset*, 2017,
https://github.com/google-deepmind/dsprites-dataset. Nothing is downloaded: every vertex is rounded
to 1/256 pixel after the shape was scaled, turned and moved, and the polygon is filled in exact
integers.
"""

import hashlib
import sys
import zipfile
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import DATASETS, UserError
from datasets import downloads, prepared
from datasets.base import Grid, Images, Index, Spec
from datasets.downloads import Original

Reals = NDArray[np.float64]

SOURCE = (
    "Matthey, Higgins, Hassabis, Lerchner, dSprites, 2017, "
    "https://github.com/google-deepmind/dsprites-dataset"
)
OFFICIAL = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
OFFICIAL_SHA1 = "d98996d3f8ee1550e06b9d4ed78d0beb478910d5"  # as git names the file's content

SPEC = Spec(
    name="dsprites",
    shape=(1, 64, 64),
    levels=2,
    factor_names=("shape", "scale", "orientation", "x", "y"),
    factor_sizes=(3, 6, 40, 32, 32),
    label="shape",
    grid=True,
    # A full turn: the 40 orientations are 39 pictures.
    same=(("orientation", 0, 39),),
)
TURNS = list(product(range(3), range(6), range(40)))
SCALES = np.linspace(0.5, 1, 6)
ORIENTATIONS = np.linspace(0, 2 * np.pi, 40)
CENTRES = 16 + 32 * np.linspace(0, 1, 32)
# RIGHT_OF[i] is a row of 64 pixels, as packed bits, in which all from column i on are set.
RIGHT_OF = np.packbits(np.arange(64) >= np.arange(65)[:, None], axis=1).view(np.uint64)[:, 0]


def _outlines() -> list[Reals]:
    """Return square, ellipse and heart at scale 1: vertices (2, V), in pixels, y down."""
    square = 9.6 * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])
    t = 2 * np.pi * np.arange(100) / 100
    ellipse = 9.6 * np.stack([1.33 * np.cos(t), np.sin(t) / 1.33])
    t = 2 * np.pi * np.arange(150) / 150
    wave = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    heart = 9.6 * np.stack([np.sin(t) ** 3, -(wave / 14.5 + 0.15)])
    return [square, ellipse, heart]


OUTLINES = _outlines()


@DATASETS.register("dsprites", source=SOURCE, images=737_280, licence="drawn here", spec=SPEC)
def dsprites(folder: Path | None = None) -> Grid:
    """Return the data set: 737,280 binary images, drawn at first use and kept in the cache.

    Where the published file lies in `folder` or the cache, it is checked and compared with what was
    drawn, image by image, once.

    Raises:
        benchmark.registry.UserError: the cache cannot be written, or the published file is not what
            it should be.
    """
    path = downloads.find("dsprites", Original(OFFICIAL), folder)
    facts = {} if path is None else _stamp(path)
    return prepared.grid(
        SPEC, lambda _: _blocks(path), source=SOURCE, files=(), folder=folder, **facts
    )


def _stamp(path: Path) -> dict[str, str | int]:
    """Return what the packed file says of the published file that it was compared with."""
    stat = path.stat()
    return {
        "official_sha1": OFFICIAL_SHA1,
        "official_size": stat.st_size,
        "official_mtime_ns": stat.st_mtime_ns,
    }


def _blocks(official: Path | None) -> Iterator[Images]:
    """Return all images, (1024, 512) at a time, in the order of the grid."""
    drawn = (draw(*turn) for turn in TURNS)
    if official is None:
        return drawn
    check(official, OFFICIAL_SHA1)
    return compared(drawn, official)


def check(path: Path, expected: str) -> None:
    """Raise UserError unless git would name the content of the file `path` `expected` (SHA-1)."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size + path.read_bytes()).hexdigest()
    if found != expected:
        raise UserError(
            f"{path} is damaged or not the published dSprites: its git blob SHA-1 is "
            f"{found}, not {expected}; fetch it again or move it away"
        )


def compared(blocks: Iterable[Images], path: Path) -> Iterator[Images]:
    """Yield `blocks`, each after a comparison with the same images in the published file `path`.

    Raises:
        benchmark.registry.UserError: an image differs.
    """
    row = 0
    with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        for block in blocks:
            pixels = np.frombuffer(file.read(len(block) * 64 * 64), np.uint8)
            differs = (np.packbits(pixels).reshape(block.shape) != block).any(axis=1)
            if differs.any():
                raise UserError(f"image {row + differs.argmax()} of {path} is not as drawn here")
            yield block
            row += len(block)
    print(f"dsprites: all {row:,} drawn images are those of {path}", file=sys.stderr)


def draw(shape: int, scale: int, orientation: int) -> Images:
    """Return the packed images (1024, 512) of these factors at every x and y, y fastest."""
    vx, vy = OUTLINES[shape]
    c = SCALES[scale] * np.cos(ORIENTATIONS[orientation])
    n = SCALES[scale] * np.sin(ORIENTATIONS[orientation])
    centres = CENTRES[:, None]
    return _fill(_snap(centres + c * vx + n * vy), _snap(centres - n * vx + c * vy))


def _snap(v: Reals) -> Index:
    # No vertex of the set is within 1e-9 of a tie, so every machine's cosine gives the same images.
    return np.floor(256 * v + 0.5).astype(np.int64)


def _fill(X: Index, Y: Index) -> Images:
    """Return the packed images (a * b, 512) of the polygons (X[i], Y[j]), in 1/256 pixel.

    Args:
        X: (a, V) horizontal vertex positions.
        Y: (b, V) vertical vertex positions.
    """
    j, row, start, end = _crossings(Y)
    depth, height = 256 * row + 128 - Y[j, start], Y[j, end] - Y[j, start]
    x = X[:, start]
    # The first column whose centre is not left of the crossing: a division rounded up.
    column = -(((128 - x) * height - (X[:, end] - x) * depth) // (256 * height))
    line = 64 * j + row
    first = np.flatnonzero(np.diff(line, prepend=-1))
    canvas = np.zeros((len(X), 64 * len(Y)), np.uint64)
    canvas[:, line[first]] = np.bitwise_xor.reduceat(RIGHT_OF[column], first, axis=1)
    return canvas.view(np.uint8).reshape(-1, 512)


def _crossings(Y: Index) -> tuple[Index, Index, Index, Index]:
    """Return where edges cross the centre line of a row of pixels, top end included, sorted.

    Returns:
        polygon, row, upper vertex and lower vertex of each crossing, each (M,).
    """
    below = np.roll(Y, -1, axis=1)
    top, bottom = (np.minimum(Y, below) + 127) >> 8, (np.maximum(Y, below) + 127) >> 8
    count = (bottom - top).ravel()
    edge = np.repeat(np.arange(Y.size), count)
    row = top.ravel()[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    j, start = np.divmod(edge, Y.shape[1])
    end = (start + 1) % Y.shape[1]
    up = Y[j, start] > Y[j, end]
    start, end = np.where(up, end, start), np.where(up, start, end)
    order = np.argsort(64 * j + row, kind="stable")
    return j[order], row[order], start[order], end[order]
