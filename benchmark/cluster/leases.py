"""Who holds which run, so that none is trained twice: files in `<out>/.locks/`.

`<run>.<n>` is a hard link to the file of its owner: there whole or not at all, and made by one
only, on network file systems, too. The largest n counts. Who finds an owner gone makes n + 1, which
again only one can, and looks once more: when there is now a lock of the run that he had not seen,
he was too slow and gives his back. Of two who take a run at once, at most one keeps it.

Whether an owner is gone is not decided here: `holders` asks Slurm and the processes.
"""

import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmark.cluster.processes import Process, process
from benchmark.registry import UserError

BEAT_SECONDS = 30.0
SILENT_SECONDS = 600.0
TRIES = 100


@dataclass(frozen=True)
class Owner:
    """Who holds a run.

    Attributes:
        process: who wrote this.
        submission: the submission that it belongs to; "" for a `run` that trains by itself.
        task: its task of the submission, while it trains; -1 for the ticket of a run that waits.
        job: Slurm's number of the job, "12_3" for example; "" outside Slurm.
        name: of its file.
    """

    process: Process = field(default_factory=process)
    submission: str = ""
    task: int = -1
    job: str = ""
    name: str = field(default_factory=lambda: secrets.token_hex(6))


@dataclass(frozen=True)
class Lock:
    """The lock of a run.

    Attributes:
        run: the name of the run's folder.
        turns: the name of the owner of each of its files, by n.
        owner: who holds it: that of the largest n.
        beat: when the owner last gave a sign of life, in seconds since 1970.
    """

    run: str
    turns: Mapping[int, str]
    owner: Owner
    beat: float

    @property
    def trains(self) -> bool:
        """Whether the owner trains the run; else it waits for its job."""
        return not self.owner.submission or self.owner.task >= 0


class Locks:
    """The locks of the runs in one folder."""

    def __init__(self, out: Path) -> None:
        self.folder = Path(out) / ".locks"

    def held(self) -> dict[str, Lock]:
        """Return the locks by run, of every one that has one.

        Raises:
            UserError: the folder cannot be read.
        """
        # The links to one owner's file share its inode, so that it is read once.
        owners: dict[int, tuple[Owner, float] | None] = {}
        found = {}
        for run, entries in self._files().items():
            for entry in entries.values():
                if entry.inode() not in owners:
                    owners[entry.inode()] = _read(Path(entry.path))
            lock = _lock(run, {turn: owners[entry.inode()] for turn, entry in entries.items()})
            if lock is not None:
                found[run] = lock
        return found

    def of(self, run: str) -> Lock | None:
        """Return the lock of one run, None if nobody holds it."""
        turns = self.turns().get(run, set())
        return _lock(run, {turn: _read(self.file(run, turn)) for turn in turns})

    @contextmanager
    def owner(self, owner: Owner, *others: Path) -> Iterator["Mine"]:
        """Let `owner` take locks; it gives a sign of life until the end.

        Args:
            owner: who.
            others: files of owners that it gives signs of life for, too, those that are there.

        Raises:
            UserError: the folder cannot be written to.
        """
        file = self.folder / f".{owner.name}"
        _write(file, owner)
        ended = threading.Event()
        threading.Thread(target=_beat, args=((file, *others), ended), daemon=True).start()
        try:
            yield Mine(self, file)
        finally:
            ended.set()
            with suppress(OSError):
                file.unlink()
                self.folder.rmdir()  # unless somebody holds something

    def file(self, run: str, turn: int) -> Path:
        """Return the file of a lock."""
        return self.folder / f"{run}.{turn}"

    def turns(self) -> dict[str, set[int]]:
        """Return every n that there is, by run."""
        return {run: set(entries) for run, entries in self._files().items()}

    def remove(self, run: str, turns: Iterable[int]) -> None:
        """Remove locks of one's own, or of an owner whose run one has taken."""
        for turn in turns:
            with suppress(OSError):
                self.file(run, turn).unlink()

    def _files(self) -> dict[str, dict[int, "os.DirEntry[str]"]]:
        found: dict[str, dict[int, os.DirEntry[str]]] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    run, _, turn = entry.name.rpartition(".")
                    if run and turn.isdigit():
                        found.setdefault(run, {})[int(turn)] = entry
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(f"cannot list {self.folder}: {error.strerror}") from error
        return found


@dataclass
class Mine:
    """What an owner holds.

    Attributes:
        locks: among which.
        owner: the owner's file.
        turns: of the locks that it holds, by run.
    """

    locks: Locks
    owner: Path
    turns: dict[str, int] = field(default_factory=dict)

    def take(self, runs: Iterable[str], held: Mapping[str, Lock]) -> list[str]:
        """Take these runs, those among `held` from their owners; return those that it now holds.

        A run that another has taken since `held` was read stays the other's.

        Raises:
            UserError: the folder cannot be written to.
        """
        seen = {run: held[run].turns if run in held else dict[int, str]() for run in runs}
        taken = [run for run, turns in seen.items() if self._link(run, max(turns, default=-1) + 1)]
        now = self.locks.turns() if taken else {}
        self.release([run for run in taken if self._unseen(run, now.get(run, set()), seen[run])])
        kept = [run for run in taken if run in self.turns]
        for run in kept:
            self.locks.remove(run, seen[run])
        return kept

    def _unseen(self, run: str, turns: set[int], seen: Mapping[int, str]) -> bool:
        """Whether there is a lock of the run beside ours that is not among those seen."""
        others = turns - {self.turns[run]}
        found = ((turn, _read(self.locks.file(run, turn))) for turn in others)
        return any(one is None or seen.get(turn) != one[0].name for turn, one in found)

    def _link(self, run: str, turn: int) -> bool:
        file = self.locks.file(run, turn)
        try:
            os.link(self.owner, file)
        except FileExistsError:
            if not _same(file, self.owner):  # else the answer to the first try was lost on its way
                return False
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror}") from error
        self.turns[run] = turn
        return True

    def leave_at(self, path: Path) -> None:
        """Have the owner's file there, too: for others, to give signs of life when it has ended.

        Raises:
            UserError: the file cannot be written.
        """
        try:
            os.link(self.owner, path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    def release(self, runs: Iterable[str]) -> None:
        """Give these runs back."""
        for run in runs:
            self.locks.remove(run, [self.turns.pop(run)])


def silent(lock: Lock) -> bool:
    """Whether the owner has given no sign of life for so long that it must be gone."""
    return time.time() - lock.beat > SILENT_SECONDS


def _lock(run: str, found: Mapping[int, tuple[Owner, float] | None]) -> Lock | None:
    """Return the lock whose files say so much; None if the last one is being given back."""
    last = found[max(found)] if found else None
    if last is None:
        return None
    return Lock(run, {turn: one[0].name for turn, one in found.items() if one}, *last)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _beat(files: Iterable[Path], ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        for file in files:
            with suppress(OSError):
                os.utime(file)


def _write(file: Path, owner: Owner) -> None:
    for _ in range(TRIES):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(owner)))
            return
        except FileNotFoundError:
            continue  # another, who held the last lock, has just removed the folder
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror}") from error
    raise UserError(f"cannot write {file}: its folder vanishes")


def _read(file: Path) -> tuple[Owner, float] | None:
    try:
        record = json.loads(file.read_bytes())
        return Owner(**{**record, "process": Process(**record["process"])}), file.stat().st_mtime
    except (OSError, ValueError, TypeError, KeyError):
        return None  # given back, just now
