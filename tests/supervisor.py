"""Runs a command that ends, with all that came of it, when the process that asked for it is gone.

As a program, `python supervisor.py COMMAND...`: when nobody has the other end of its standard input
any more, a pipe, it kills the command and every process that this left, daemons, too, then ends.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DEATH_SIGNAL, CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@contextmanager
def supervised(words: Sequence[object], **more: Any) -> "Iterator[subprocess.Popen[str]]":
    """Run a command until the end of the block or of this process; Ctrl-C is not for it."""
    command = [sys.executable, __file__, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True, **more
    ) as process:
        yield process


def die_with_parent() -> None:
    """Have this process killed when the one that started it is gone; what it started lives on."""
    _prctl(DEATH_SIGNAL, signal.SIGKILL)


def main(words: Sequence[str]) -> int:
    """Run the command; return its exit code when nothing of it is left."""
    _prctl(CHILD_SUBREAPER, 1)  # whose parent ends becomes a child of this process
    command = subprocess.Popen(words)
    threading.Thread(target=_kill_when_alone, args=(command.pid,), daemon=True).start()
    ended = status = 0
    while ended != command.pid:
        ended, status = os.wait()
    with suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.wait()
    return os.waitstatus_to_exitcode(status)


def _prctl(option: int, value: int) -> None:
    if LIBC is not None:
        LIBC.prctl(option, value)


def _kill_when_alone(pid: int) -> None:
    """Wait until standard input has no other end; what comes in there is for the command."""
    alone = select.poll()
    alone.register(0, 0)
    alone.poll()
    os.kill(pid, signal.SIGKILL)


def _children() -> Iterator[int]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            if int(file.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                yield int(file.parent.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
