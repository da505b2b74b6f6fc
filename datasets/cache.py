"""Where prepared data sets lie: one HDF5 file each, written by one process, whole or not at all."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmark.registry import UserError
from datasets.base import Images, Spec, Table

FORMAT = 1  # a file with another number is prepared anew

VERSIONS = f"numpy {np.__version__}, h5py {h5py.__version__}"

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
        images: (N, bytes) uint8, mapped from the file: changes to it stay in this process.
        tables: the small arrays beside them, in memory.
    """

    images: Images
    tables: Tables


def root() -> Path:
    """Return the folder of the cache: $BENCHMARK_DATA, or the user's cache folder."""
    named = os.environ.get("BENCHMARK_DATA")
    return Path(named) if named else platformdirs.user_cache_path("disentanglement-benchmark")


def find(name: str, folder: Path | None, *within: str) -> Path | None:
    """Return the original file `name` from `folder` or else the cache, None where neither has it.

    Args:
        name: a file name.
        folder: where the user keeps original files.
        within: folders inside those two that are searched as well.
    """
    return next((path for path in _places(name, folder, within) if path.is_file()), None)


def find_folder(name: str, folder: Path | None, *within: str) -> Path | None:
    """Return the folder `name` of original files, as `find` does a file."""
    return next((path for path in _places(name, folder, within) if path.is_dir()), None)


def _places(name: str, folder: Path | None, within: tuple[str, ...]) -> Iterator[Path]:
    for base in (folder, root()):
        if base is not None:
            yield from (base / inner / name for inner in ("", *within))


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
        found = open_packed(path, size, **facts)
        if found is None:
            said = {"source": source, "shape": str(spec.shape), "factors": spec.factors, **facts}
            found = _prepare(path, size, make, said)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UserError(
            f"cannot prepare {spec.name} in {path.parent}: {reason}; "
            "set BENCHMARK_DATA to a folder with room that can be written to"
        ) from error
    return found


def table(spec: Spec, packed: Packed) -> Table:
    """Return the data set of packed images with the tables `factors` and `held_out`."""
    rows, held_out = np.arange(len(packed.images)), packed.tables["held_out"]
    factors = packed.tables["factors"]
    return Table(spec, packed.images, factors, rows[~held_out], rows[held_out])


def location(name: str) -> Path:
    """Return where the packed file of the data set `name` lies, or would."""
    return root() / f"{name}.h5"


def open_packed(path: Path, size: int, **facts: Fact) -> Packed | None:
    """Return what the file `path` holds, None unless it is whole and as wanted.

    Looks at the size, the attributes and a sample of the rows; `checksum` looks at all of them.

    Raises:
        PermissionError: the file is there and may not be read.
    """
    try:
        with h5py.File(path, locking=False) as file:
            attributes, images = dict(file.attrs), file["images"]
            offset, shape = images.id.get_offset(), images.shape
            tables = {name: array[()] for name, array in file.items() if name != "images"}
        rows = _mapped(path, offset, shape)
    except PermissionError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError):  # none, or a damaged one
        return None
    wanted = {"format": FORMAT, "probe": _probe(rows), **facts}
    fits = shape[1] == size and all(attributes.get(k) == _stored(v) for k, v in wanted.items())
    return Packed(rows, tables) if fits else None


def pack(path: Path, size: int, contents: Contents, facts: Mapping[str, Fact]) -> None:
    """Write `contents`, images of `size` bytes, and what `facts` says of them to `path`.

    Whatever ends it early, `path` is left as it was.

    Raises:
        OSError: no permission, or the disk is full.
    """
    part = path.with_name(f"{path.stem}.{uuid4().hex}.part")
    shape = (contents.count, size)
    room = sum(array.nbytes + (1 << 16) for array in contents.tables.values())
    try:
        with part.open("wb") as file:  # while there is no room, HDF5 would crash and not say so
            file.write(bytes(room + (2 << 16)))
            file.truncate(shape[0] * shape[1] + file.tell())
        offset = _frame(part, shape, contents.tables, {**facts, **contents.facts})
        digest = _fill(part, offset, shape, contents.blocks)
        probe = _probe(_mapped(part, offset, shape))
        with h5py.File(part, "r+", locking=False) as hdf5:
            hdf5.attrs.modify("sha256", _stored(digest))
            hdf5.attrs.modify("probe", _stored(probe))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _frame(path: Path, shape: tuple[int, int], tables: Tables, facts: Mapping[str, Fact]) -> int:
    """Write an HDF5 file with room for the images, and return where in the file that is."""
    room = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    room.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    room.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space, kind = h5py.h5s.create_simple(shape), h5py.h5t.NATIVE_UINT8
    # This version of the format has checksums in its header, and strings of fixed length lie there:
    # without both, HDF5 crashes or hangs on a damaged header.
    with h5py.File(path, "w", libver="v110", locking=False) as file:
        images = h5py.h5d.create(file.id, b"images", kind, space, room)
        date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        unknown = "0" * 64  # until the images are there
        facts = {**facts, "date": date, "versions": VERSIONS, "sha256": unknown, "probe": unknown}
        file.attrs.update({k: _stored(v) for k, v in facts.items()}, format=FORMAT)
        for name, array in tables.items():
            file.create_dataset(name, data=array, compression="gzip", fletcher32=True)
        return int(images.get_offset())


def _fill(path: Path, offset: int, shape: tuple[int, int], blocks: Iterable[Images]) -> str:
    """Write the images to their place in the file, past HDF5, and return their SHA-256."""
    digest = hashlib.sha256()
    with path.open("r+b") as file:
        file.seek(offset)
        for block in blocks:
            file.write(block.data)
            digest.update(block.data)
        count = (file.tell() - offset) // shape[1]
        if count != shape[0]:
            raise ValueError(f"{path.stem} was given {count} rows, not {shape[0]}")
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave a file of zeros under the final name
    return digest.hexdigest()


def _mapped(path: Path, offset: int, shape: tuple[int, int]) -> Images:
    # Mapped, not read: the processes of one machine share the pages, and opening takes 3 ms where
    # reading takes up to a second; a batch takes 20 us either way. Copy-on-write, because torch
    # warns of arrays that cannot be written to.
    return np.asarray(np.memmap(path, np.uint8, "c", offset, shape))


def checksum(path: Path) -> tuple[str, str]:
    """Return the SHA-256 of the images in `path`, as written down and as they are now."""
    with h5py.File(path, locking=False) as file:
        images = file["images"]
        digest = hashlib.sha256()
        for start in range(0, len(images), 8192):
            digest.update(images[start : start + 8192].data)
        return file.attrs["sha256"].decode(), digest.hexdigest()


def about(path: Path) -> dict[str, Fact]:
    """Return what the packed file `path` says of itself."""
    with h5py.File(path, locking=False) as file:
        found = dict(file.attrs)
    return {k: v.decode() if isinstance(v, bytes) else int(v) for k, v in found.items()}


def _stored(fact: Fact) -> bytes | int:
    return np.bytes_(fact.encode()) if isinstance(fact, str) else fact


def _probe(rows: Images) -> str:
    sample = np.linspace(0, len(rows) - 1, 32).astype(int)
    return hashlib.sha256(rows[sample].data).hexdigest()


def _prepare(
    path: Path, size: int, make: Callable[[], Contents], facts: Mapping[str, Fact]
) -> Packed:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path.with_suffix(".lock")) as alone:
        found = open_packed(path, size, **facts)
        if found is not None:  # another process prepared it while this one waited
            return found
        if alone:  # what a killed process left behind
            for part in path.parent.glob(f"{path.stem}.*.part"):
                part.unlink(missing_ok=True)
        pack(path, size, make(), facts)
        found = open_packed(path, size, **facts)
    if found is None:
        raise OSError(f"{path.name} does not read back as it was written")
    return found


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Wait until no other process holds the lock; yield False where the file system has no locks.

    The kernel frees the lock of a process that dies. Without locks, each process prepares the file
    and the last rename wins.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            print(f"waiting for another process that prepares {path.stem}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
            alone = True
        except OSError:
            alone = False
        yield alone
