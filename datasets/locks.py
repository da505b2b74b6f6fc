"""One process at a time: locks of the system, which frees those of a process that dies."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def of_file(path: Path) -> Iterator[bool]:
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


@contextmanager
def of_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads to the folder: celeba and celeba_32 need one file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
