"""One process at a time: locks of the system, which frees those of a process that dies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def of_file(path: Path) -> Iterator[bool]:
    """Wait until no other process holds the lock; yield False where the file system has no locks.

    Without locks, each process prepares the file and the last rename wins.
    """
    lock, alone = FileLock(path), True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that prepares {path.stem}", file=sys.stderr)
        lock.acquire()
    except (OSError, NotImplementedError):
        alone = False
    try:
        yield alone
    finally:
        lock.release()


@contextmanager
def of_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads to the folder: celeba and celeba_32 need one file."""
    lock = FileLock(folder.with_name(f"{folder.name}.download.lock"))
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
