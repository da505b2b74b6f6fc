"""`python -m tests.speed.packing`: how fast data sets are packed and batches are read."""

import io
import os
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from datasets import archive, celeba, chairs, packed_file
from datasets.base import Rows
from tests.speed.bars import Measurement, peak_memory, report

KINDS = 50
"""Different images; archives repeat them."""
ROUNDS = 300
FACES, RENDERS = 20_000, 2_000
SHAPE = (3, 64, 64)
SIZE = int(np.prod(SHAPE))


def measure(faces: int = FACES, renders: int = RENDERS) -> Iterator[Measurement]:
    """Make archives of real sizes, pack them, and read batches from the packed file.

    Args:
        faces: JPEGs of CelebA's size.
        renders: PNGs of the size of 3D Chairs'.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        rate, megabytes = _apart(_pack_faces, folder, faces)
        yield Measurement("packing JPEGs of 178 x 218", rate, "images/s", ">= 1000", rate >= 1000)
        yield Measurement("memory while packing", megabytes, "MB", "< 1000", megabytes < 1000)
        rate, _ = _apart(_pack_renders, folder, renders)
        yield Measurement("packing PNGs of 600 x 600", rate, "images/s", ">= 250", rate >= 250)
        for name in ("faces", "renders"):
            yield from _read_batches(folder / f"{name}.h5")


def _apart(pack: Callable[[Path, int], float], folder: Path, count: int) -> tuple[float, float]:
    """Return a rate and the largest resident memory, in MB, of a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        rate = pool.submit(pack, folder, count).result()
        return rate, pool.submit(peak_memory).result() / 1e6


def _smooth(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(256, size=(16, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def photograph(seed: int) -> Image.Image:
    """Return a picture of 178 x 218 pixels with grain, about 8 kB as a JPEG, as CelebA's are."""
    smooth = np.asarray(_smooth(178, 218, seed), np.int16)
    grain = np.random.default_rng(seed).normal(0, 3, smooth.shape).astype(np.int16)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def render(seed: int) -> Image.Image:
    """Return a picture of 600 x 600 pixels: something shaded before white, as 3D Chairs' are."""
    canvas = Image.new("RGB", (600, 600), "white")
    canvas.paste(_smooth(220, 280, seed), (190, 160))
    return canvas


def _encoded(picture: Callable[[int], Image.Image], kind: str) -> list[bytes]:
    found = []
    for seed in range(KINDS):
        file = io.BytesIO()
        picture(seed).save(file, kind)
        found.append(file.getvalue())
    return found


def _pack_faces(folder: Path, count: int) -> float:
    path, images = folder / "img_align_celeba.zip", _encoded(photograph, "JPEG")
    files = [f"{number:06}.jpg" for number in range(1, count + 1)]
    with zipfile.ZipFile(path, "w") as zipped:
        for number, file in enumerate(files):
            zipped.writestr(f"{celeba.FOLDER}/{file}", images[number % KINDS])
    start = time.perf_counter()
    contents = packed_file.Contents(count, celeba.blocks(path, files, SHAPE[1]))
    packed_file.pack(folder / "faces.h5", SIZE, contents, {"source": "made here"})
    return count / (time.perf_counter() - start)


def _pack_renders(folder: Path, count: int) -> float:
    path, images = folder / "rendered_chairs.tar", _encoded(render, "PNG")
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"{number:06}.png")
            member.size = len(images[number % KINDS])
            tar.addfile(member, io.BytesIO(images[number % KINDS]))
    start = time.perf_counter()
    with archive.members(path) as (names, read):
        decode = partial(chairs.decode, shape=SHAPE)
        blocks = archive.decoded(path, names, read, decode)
        packed_file.pack(
            folder / "renders.h5", SIZE, packed_file.Contents(count, blocks), {"source": "-"}
        )
    return count / (time.perf_counter() - start)


def _read_batches(path: Path) -> Iterator[Measurement]:
    """Measure the milliseconds that a batch of 64 takes, medians.

    First from memory, decoded, then from the file as it is after packing, then once it is no longer
    in the system's cache.
    """
    found = packed_file.open_packed(path, SIZE)
    assert found is not None
    smaller = found.images.nbytes / path.stat().st_size
    disk, memory = _median(found.images), _median(found.images[:])
    what = f"a batch of 64 {path.stem}"
    yield Measurement(f"{what}, in memory", memory, "ms", "< 0.2", memory < 0.2)
    yield Measurement(f"{what}, from the file, {smaller:.1f}:1", disk, "ms", "< 1", disk < 1)
    del found
    cold = [_cold(path, seed) for seed in range(9)]
    yield Measurement("the same, nothing in the system's cache", float(np.median(cold)), "ms")


def _median(images: Rows) -> float:
    rng, times = np.random.default_rng(0), []
    for _ in range(ROUNDS):
        rows = rng.integers(len(images), size=64)
        start = time.perf_counter()
        images[rows]
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def _cold(path: Path, seed: int) -> float:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = packed_file.open_packed(path, SIZE)
    assert found is not None
    rows = np.random.default_rng(seed).integers(len(found.images), size=64)
    start = time.perf_counter()
    found.images[rows]
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    report(measure())
