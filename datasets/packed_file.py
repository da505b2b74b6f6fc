"""Prepared data sets: one HDF5 file each, written by one process, completely or not at all."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import h5py
import lz4
import numpy as np
import platformdirs
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from benchmark.registry import UserError
from datasets import image_chunks, locks
from datasets.base import Images, Spec
from datasets.image_chunks import Chunks

FORMAT = 2  # a file with another number is prepared anew

VERSIONS = f"numpy {np.__version__}, h5py {h5py.__version__}, lz4 {lz4.__version__}"

Fact = str | int
Tables = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Contents:
    """What a packed file is to hold.

    Attributes:
        count: N, the number of images.
        blocks: yields the images in order, in blocks (n, bytes).
        tables: small arrays beside them: factors, splits.
        facts: what the file says of itself: checksums and addresses of what it was made from.
    """

    count: int
    blocks: Iterable[Images]
    tables: Tables = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Packed:
    """What a packed file holds.

    Attributes:
        images: (N, bytes) uint8, read from the file when asked for.
        tables: the small arrays beside them, in memory.
    """

    images: Chunks
    tables: Tables


def root() -> Path:
    """Return the folder of the cache: $BENCHMARK_DATA, or the user's cache folder."""
    named = os.environ.get("BENCHMARK_DATA")
    if named:
        return Path(named).expanduser()
    return platformdirs.user_cache_path("disentanglement-benchmark")


def packed(spec: Spec, make: Callable[[], Contents], *, source: str, **facts: Fact) -> Packed:
    """Return a data set's packed images from the cache, prepared first where they are not there.

    Args:
        spec: the data set; the file has its name, and says what it says.
        make: returns what the file is to hold; called only where it must be.
        source: authors, title, year and URL.
        facts: what the file must say of itself to be taken; prepared anew otherwise.

    Raises:
        UserError: the file cannot be written or read.
    """
    path, size = location(spec.name), spec.size
    try:
        said = {"source": source, "shape": str(spec.shape), "factors": spec.factors, **facts}
        return open_packed(path, size, **facts) or _prepare(path, size, make, said)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UserError(
            f"cannot prepare {spec.name} in {path.parent}: {reason}; "
            "set BENCHMARK_DATA to a folder with room that can be written to"
        ) from error


def location(name: str) -> Path:
    """Return where the packed file of the data set `name` lies, or would."""
    return root() / f"{name}.h5"


def open_packed(path: Path, size: int, **facts: Fact) -> Packed | None:
    """Return what the file `path` holds, None unless it is complete and as wanted.

    Checks the attributes, the tables and a sample of the rows; `checksum` checks all of them.

    Raises:
        PermissionError: the file is there and may not be read.
    """
    try:
        rows, tables, said = _open(path)
        wanted = {"format": FORMAT, "probe": _probe(rows), **facts}
    except PermissionError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, UserError):  # none, or damaged
        return None
    fits = rows.shape[1] == size and all(said.get(k) == _stored(v) for k, v in wanted.items())
    return Packed(rows, tables) if fits else None


@contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    # By Python's file: HDF5 refuses one that this process has open with other locks.
    with path.open("rb") as plain, h5py.File(plain, "r") as file:
        yield file


def _open(path: Path) -> tuple[Chunks, Tables, dict[str, Any]]:
    """Return a packed file's images, tables and attributes."""
    with _reading(path) as file:
        said, size = dict(file.attrs), file["images"].shape[1]
        tables = {name: array[()] for name, array in file.items() if name != "images"}
    start, length = (tables.pop(name) for name in image_chunks.TABLES)
    return Chunks(path, start, length, size), tables, said


def pack(path: Path, size: int, contents: Contents, facts: Mapping[str, Fact]) -> None:
    """Write `contents`, images of `size` bytes, and what `facts` says of them to `path`.

    Whatever ends it early, `path` is left as it was.

    Raises:
        OSError: no permission, or the disk is full.
    """
    part = path.with_name(f"{path.stem}.{uuid4().hex}.part")
    room = sum(array.nbytes + (1 << 16) for array in contents.tables.values())
    room += contents.count * image_chunks.ENTRY + (2 << 16)
    try:
        with part.open("wb") as plain:
            _reserve(plain, room)
            # This version of the format has checksums in its header, and strings of fixed length
            # lie there: without both, HDF5 crashes or hangs on a damaged header.
            with h5py.File(part, "w", libver="v110", locking=False) as file:
                digest = _fill(
                    file, path.stem, (contents.count, size), contents.blocks, plain, room
                )
                _finish(file, part, contents, {**facts, "sha256": digest})
                end = file.id.get_filesize()
            plain.truncate(end)  # HDF5 cuts the spare room off in some cases only
            os.fsync(plain.fileno())  # or a power cut could leave zeros under the final name
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _fill(
    file: h5py.File,
    name: str,
    shape: tuple[int, int],
    blocks: Iterable[Images],
    plain: BinaryIO,
    room: int,
) -> str:
    """Write the images, with `room` to spare at every time, and return their SHA-256."""
    images, digest, done = image_chunks.create(file, shape), hashlib.sha256(), 0
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"Packing {name}", total=shape[0])
        for block in blocks:
            size = file.id.get_filesize() + block.nbytes + image_chunks.ENTRY * len(block)
            _reserve(plain, size + room)
            image_chunks.write(images, done, block)
            digest.update(block.data)
            done += len(block)
            progress.update(bar, completed=done)
    if done != len(images):
        raise ValueError(f"given {done} rows, not {len(images)}")
    return digest.hexdigest()


def _finish(file: h5py.File, path: Path, contents: Contents, facts: Mapping[str, Fact]) -> None:
    """Write the tables, and what the file says of itself."""
    file.flush()
    start, length = image_chunks.places(file["images"])
    places = dict(zip(image_chunks.TABLES, (start, length), strict=True))
    for name, array in {**contents.tables, **places}.items():
        file.create_dataset(name, data=array, compression="gzip", fletcher32=True)
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    probe = _probe(Chunks(path, start, length, file["images"].shape[1]))
    said = {**facts, **contents.facts, "date": date, "versions": VERSIONS, "probe": probe}
    file.attrs.update({k: _stored(v) for k, v in said.items()}, format=FORMAT)
    file.flush()


def _reserve(file: BinaryIO, size: int) -> None:
    """Have the disk give the file this many bytes: where it has no more, HDF5 crashes or hangs.

    Raises:
        OSError: the disk is full.
    """
    missing = size - file.seek(0, os.SEEK_END)
    file.write(bytes(max(missing, 0)))
    file.flush()


def checksum(path: Path) -> tuple[str, str]:
    """Return the SHA-256 of the images in `path`, as written down and as they are now.

    Raises:
        UserError: a chunk is damaged.
    """
    rows, _, said = _open(path)
    digest = hashlib.sha256()
    for start in range(0, len(rows), 8192):
        digest.update(rows[start : start + 8192].data)
    if not rows.framed():
        raise image_chunks.damaged(path, "a chunk's header")
    return said["sha256"].decode(), digest.hexdigest()


def about(path: Path) -> dict[str, Fact]:
    """Return what the packed file `path` says of itself."""
    with _reading(path) as file:
        found = dict(file.attrs)
    texts = {k: v.decode() if isinstance(v, bytes) else str(v) for k, v in found.items()}
    return {k: int(v) if isinstance(v, np.integer) else texts[k] for k, v in found.items()}


def _stored(fact: Fact) -> bytes | int:
    return np.bytes_(fact.encode()) if isinstance(fact, str) else fact


def _probe(rows: Chunks) -> str:
    sample = np.linspace(0, len(rows) - 1, 32).astype(int)
    return hashlib.sha256(rows[sample].data).hexdigest()


def _prepare(
    path: Path, size: int, make: Callable[[], Contents], facts: Mapping[str, Fact]
) -> Packed:
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.of_file(path.with_suffix(".lock")) as alone:
        found = open_packed(path, size, **facts)
        if found is not None:  # another process prepared it while this one waited
            return found
        if path.exists() and open_packed(path, size) is None:  # not for want of a fact
            print(f"{path} is damaged or of another version: packing it again", file=sys.stderr)
        if alone:  # what a killed process left behind
            for part in path.parent.glob(f"{path.stem}.*.part"):
                part.unlink(missing_ok=True)
        pack(path, size, make(), facts)
        found = open_packed(path, size, **facts)
    if found is None:
        raise OSError(f"{path.name} does not read back as it was written")
    return found
