"""Who holds which run, so that none is trained twice: files in `<out>/.leases/`.

`<run>.<n>` is created exclusively (O_EXCL, which network file systems keep, too), so by one process
only, and says who that is. The largest n owns the run. A process that finds its owner dead creates
n + 1, which again only one can, and lists the files once more: when there is now a lease of the run
that it had not seen, it was too slow and removes its own. Of two that take a run at once, at most
one keeps it. An owner verifies that nobody followed it before it writes to the run's folder.

Whether an owner is dead is not decided here: `holders` asks Slurm and the processes.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmark.registry import UserError

HEARTBEAT_SECONDS = 30.0
STALE_SECONDS = 600.0


@dataclass(frozen=True)
class Process:
    """A process on a host. A pid alone is used again, so it has the time of its start, too.

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
        """Whether it is one of this host."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether it runs on this host; one that ended and that nobody waited for does not."""
        state, started = _process_table(self.pid)
        return self.is_here and state not in ("", "Z", "X") and self.started in ("", started)

    def seems_alive(self, heartbeat: float) -> bool:
        """Return whether it runs; of another host's, whether its heartbeat is recent."""
        return self.alive if self.is_here else time.time() - heartbeat < STALE_SECONDS


def process(pid: int | None = None) -> Process:
    """Return the process of this host with that number; this very process without."""
    number = os.getpid() if pid is None else pid
    return Process(pid=number, started=_process_table(number)[1])


def _process_table(pid: int) -> tuple[str, str]:
    """Return the state of a process, "" if there is none, and when it began."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except OSError:  # no such process, or a system without /proc
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "", ""
    except PermissionError:  # it is another user's
        pass
    return "R", ""


class Lost(UserError):
    """The run was taken over by another process, which found this one dead."""


@dataclass(frozen=True)
class Owner:
    """Who holds a run, as its lease says.

    Attributes:
        process: who wrote this.
        submission: the submission that it belongs to; "" for a `run` that trains by itself.
        task: its task of the submission, while it trains; -1 while the run waits for its job.
        job: Slurm's number of the job, "12_3" for example; "" outside Slurm.
        name: a random one.
    """

    process: Process = field(default_factory=process)
    submission: str = ""
    task: int = -1
    job: str = ""
    name: str = field(default_factory=lambda: secrets.token_hex(6))


@dataclass(frozen=True)
class Lease:
    """The lease of a run.

    Attributes:
        run: the name of the run's folder.
        owners: the name of the owner of each of its files, by n.
        owner: who holds it: that of the largest n.
        heartbeat: when the owner last renewed it, in seconds since 1970.
    """

    run: str
    owners: Mapping[int, str]
    owner: Owner
    heartbeat: float

    @property
    def trains(self) -> bool:
        """Whether the owner trains the run; else it waits for its job."""
        return not self.owner.submission or self.owner.task >= 0

    @property
    def owner_seems_alive(self) -> bool:
        """Whether the process that wrote it runs, as far as can be said from here."""
        return self.owner.process.seems_alive(self.heartbeat)


class Leases:
    """The leases of the runs in one folder."""

    def __init__(self, out: Path) -> None:
        self.folder = Path(out) / ".leases"

    def all(self) -> dict[str, Lease]:
        """Return the leases by run.

        Raises:
            UserError: the folder cannot be read.
        """
        found = ((run, self._lease(run, numbers)) for run, numbers in self.numbers().items())
        return {run: lease for run, lease in found if lease is not None}

    def of(self, run: str) -> Lease | None:
        """Return the lease of one run, None if nobody holds it."""
        return self._lease(run, self.numbers().get(run, set()))

    def _lease(self, run: str, numbers: Iterable[int]) -> Lease | None:
        """Return the lease of these files; None if the last one is being created or removed."""
        found = {n: _read(self.file(run, n)) for n in numbers}
        last = found[max(found)] if found else None
        if last is None:
            return None
        return Lease(run, {n: one[0].name for n, one in found.items() if one}, *last)

    @contextmanager
    def owner(self, owner: Owner, *others: Path) -> Iterator["OwnLeases"]:
        """Let `owner` take runs; it renews its leases until the end.

        Args:
            owner: who.
            others: files that are renewed with them.
        """
        own, ended = OwnLeases(self, owner), threading.Event()
        threading.Thread(target=_renew, args=(own, others, ended), daemon=True).start()
        try:
            yield own
        finally:
            ended.set()
            with suppress(OSError):
                self.folder.rmdir()  # unless somebody holds something

    def file(self, run: str, number: int) -> Path:
        """Return the file of a lease."""
        return self.folder / f"{run}.{number}"

    def numbers(self) -> dict[str, set[int]]:
        """Return every n that there is, by run; UserError if the folder cannot be read."""
        found: dict[str, set[int]] = {}
        try:
            for name in os.listdir(self.folder):
                run, _, number = name.rpartition(".")
                if run and number.isdigit():
                    found.setdefault(run, set()).add(int(number))
        except FileNotFoundError:
            return {}
        except OSError as error:
            what = f"who trains which run in {self.folder.parent}"
            raise UserError(f"cannot read {what}: {error.strerror}") from error
        return found

    def remove(self, run: str, numbers: Iterable[int]) -> None:
        """Remove leases of one's own, or of an owner whose run one has taken."""
        for number in numbers:
            with suppress(OSError):
                self.file(run, number).unlink()


@dataclass
class OwnLeases:
    """The leases of one owner.

    Attributes:
        leases: all that there are.
        owner: whose.
        numbers: those of its own, by run.
    """

    leases: Leases
    owner: Owner
    numbers: dict[str, int] = field(default_factory=dict)

    def take(self, runs: Iterable[str], seen: Mapping[str, Lease]) -> list[str]:
        """Take these runs, those among `seen` from their owners; return those that it now has.

        A run that another has taken since `seen` was read stays the other's.

        Raises:
            UserError: the folder cannot be written to.
        """
        before = {run: seen[run].owners if run in seen else dict[int, str]() for run in runs}
        taken = [run for run, there in before.items() if self._create(run, max(there, default=-1))]
        now = self.leases.numbers() if taken else {}
        self.release([run for run in taken if self._late(run, now.get(run, set()), before[run])])
        kept = [run for run in taken if run in self.numbers]
        for run in kept:
            self.leases.remove(run, before[run])
        return kept

    def _late(self, run: str, numbers: set[int], seen: Mapping[int, str]) -> bool:
        """Whether there is a lease of the run beside ours that is not among those seen."""
        others = numbers - {self.numbers[run]}
        found = ((number, _read(self.leases.file(run, number))) for number in others)
        return any(one is None or seen.get(number) != one[0].name for number, one in found)

    def _create(self, run: str, last: int) -> bool:
        """Create the lease that follows number `last`; return whether nobody else has."""
        file = self.leases.file(run, last + 1)
        try:
            with open(_opened(file), "w") as opened:
                json.dump(asdict(self.owner), opened)
        except FileExistsError:
            there = _read(file)
            # It may be ours: the answer to the first try was lost on its way.
            if there is None or there[0] != self.owner:
                return False
        except OSError as error:
            where = f"the folder of runs {self.leases.folder.parent}"
            raise UserError(f"cannot write to {where}: {error.strerror}") from error
        self.numbers[run] = last + 1
        return True

    def verify(self, run: str) -> None:
        """Raise Lost unless the run is still this owner's."""
        file, number = self.leases.file, self.numbers[run]
        if file(run, number + 1).exists() or not file(run, number).exists():
            raise Lost(f"{run} was taken over by another process, which found this one gone")

    def release(self, runs: Iterable[str]) -> None:
        """Let others take these runs."""
        for run in runs:
            self.leases.remove(run, [self.numbers.pop(run)])


def _opened(file: Path) -> int:
    """Create a file, and return its descriptor; OSError if it is there, or cannot be written."""
    while True:
        if not file.parent.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # who held the last lease has just removed the folder
            return os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)


def _renew(own: OwnLeases, others: Iterable[Path], ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        files = [own.leases.file(run, number) for run, number in list(own.numbers.items())]
        for file in (*files, *others):
            with suppress(OSError):
                os.utime(file)


def _read(file: Path) -> tuple[Owner, float] | None:
    try:
        record = json.loads(file.read_bytes())
        return Owner(**{**record, "process": Process(**record["process"])}), file.stat().st_mtime
    except (OSError, ValueError, TypeError, KeyError):
        return None  # being created or removed, just now
