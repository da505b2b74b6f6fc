"""Which process it is, and whether it is still there: a pid alone is used again."""

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process on a host.

    Attributes:
        host: where it runs.
        pid: its number there.
        started: when it began, in the kernel's own count; "" where the system does not say.
    """

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it is one of this host, so that `alive` can tell."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether it runs on this host; one that ended and that nobody waited for does not."""
        state, started = _look(self.pid)
        return state not in ("", "Z", "X") and self.started in ("", started)


def process(pid: int | None = None) -> Process:
    """Return the process of this host with that number; this very process without."""
    number = os.getpid() if pid is None else pid
    return Process(pid=number, started=_look(number)[1])


def _look(pid: int) -> tuple[str, str]:
    """Return the state of a process, "" if there is none, and when it began."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _ask(pid), ""
    return fields[0], fields[19]


def _ask(pid: int) -> str:
    """Return whether there is such a process where no /proc says so."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "R"
    return "R"
