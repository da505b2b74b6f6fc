"""Images out of archives: members of a tar, a zip or a folder, decoded on all cores."""

import os
import tarfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from benchmark.registry import UserError
from datasets.base import Images
from datasets.downloads import reading

CHUNK = 64

Read = Callable[[str], bytes]


@contextmanager
def members(path: Path) -> Iterator[tuple[list[str], Read]]:
    """Open a folder, tar or zip; yield the names of its files and how to read one.

    Nothing is unpacked to disk.

    Raises:
        UserError: it is damaged, or names a file outside of itself.
    """
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        yield (
            [file.relative_to(path.parent).as_posix() for file in files],
            lambda name: (path.parent / name).read_bytes(),
        )
    elif path.suffix == ".zip":
        with reading(path), zipfile.ZipFile(path) as archive:
            inside = [one.filename for one in archive.infolist() if not one.is_dir()]
            yield _within(path, inside), archive.read
    else:
        with reading(path), tarfile.open(path) as tar:
            found = {one.name: one for one in tar if one.isfile()}
            yield _within(path, list(found)), lambda name: _extracted(tar, found[name])


def _extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None  # only files are listed
    return file.read()


def _within(path: Path, names: list[str]) -> list[str]:
    """Return the names, unless one leads out of the folder that the archive would unpack to."""
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise UserError(
                f"{path} is not to be trusted: it holds {name!r}, which leads out of it; "
                "move it away and fetch it again"
            )
    return names


def decoded(
    path: Path,
    names: Iterable[str],
    read: Read,
    decode: Callable[[bytes], Images],
) -> Iterator[Images]:
    """Yield the images of the members `names` in order, decoded on all cores, in blocks (n, bytes).

    Args:
        path: the archive, for errors.
        names: of its members.
        read: returns a member's bytes.
        decode: returns an image of bytes.

    Raises:
        UserError: an image is damaged; the line names it.
    """

    def images(chunk: list[tuple[str, bytes]]) -> Images:
        return np.stack([_decode(path, name, content, decode) for name, content in chunk])

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    waiting: deque[Future[Images]] = deque()
    contents = ((name, _member(path, name, read)) for name in names)
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(contents, CHUNK)):
            waiting.append(pool.submit(images, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _member(path: Path, name: str, read: Read) -> bytes:
    with reading(path, name):
        return read(name)


def _decode(path: Path, name: str, content: bytes, decode: Callable[[bytes], Images]) -> Images:
    with reading(path, name):
        return decode(content).ravel()
