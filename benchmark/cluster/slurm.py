"""What Slurm's own commands say; nothing here needs accounting.

Each speaks of one cluster, this one, unless it is told which: a job on another one is not shown.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from benchmark.registry import UserError

PATIENCE = 60
PENDING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "SUSPENDED")
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A task of an array that Slurm still knows.

    Attributes:
        job: its number, "12_3" for example.
        state: PENDING, RUNNING, ...
        reason: why it waits, in Slurm's words.
    """

    job: str
    state: str
    reason: str

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state not in PENDING


@dataclass(frozen=True)
class Record:
    """What Slurm has on record of a job.

    Attributes:
        state: PENDING, RUNNING, COMPLETED, ...
        signal: that ended it; "" or "0" for none.
    """

    state: str
    signal: str

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state not in PENDING + ENDED

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    def __str__(self) -> str:
        """Return "OUT_OF_MEMORY" or "FAILED, signal 9"."""
        return self.state if self.signal in ("", "0") else f"{self.state}, signal {self.signal}"


@dataclass(frozen=True)
class Site:
    """What the site has set: its name, and the largest index of an array plus one."""

    cluster: str
    max_array_size: int


def here() -> bool:
    """Whether Slurm's programs are there."""
    return shutil.which("sbatch") is not None and shutil.which("squeue") is not None


@cache
def site() -> Site:
    """Ask for the site's settings.

    Raises:
        UserError: Slurm is not there, or does not answer.
    """
    if not here():
        raise UserError("there is no Slurm here: no sbatch on the PATH; --on local needs none")
    text = _say("scontrol", "show", "config")
    found = dict(re.findall(r"^(ClusterName|MaxArraySize)\s*=\s*(\S+)", text, re.MULTILINE))
    return Site(found.get("ClusterName", ""), int(found.get("MaxArraySize", 1001)))


def queue(jobs: Iterable[str], clusters: str = "") -> dict[tuple[str, int], Task] | None:
    """Return the tasks of arrays by name and index, those that wait or run; None: no answer.

    Args:
        jobs: the names of the arrays.
        clusters: where they were submitted; "" for this one.
    """
    named = ",".join(sorted(jobs))
    if not named:
        return {}
    try:
        words = ("-h", "-r", f"--name={named}", "-o", "%j|%K|%i|%T|%r")
        text = _say("squeue", *_on(clusters), *words)
    except UserError:
        return None
    rows = [line.split("|", 4) for line in text.splitlines() if line.count("|") >= 4]
    # A job that is no array has no index: "N/A".
    return {(name, int(k) if k.isdigit() else 0): Task(*rest) for name, k, *rest in rows}


def requeue(job: str) -> None:
    """Put the job back into the queue; UserError if Slurm refuses."""
    _say("scontrol", "requeue", job)


def records(job: str, name: str, clusters: str = "") -> dict[int, Record]:
    """Return what is on record of the tasks of an array, by index; of a job that is none, of 0.

    The controller forgets after minutes, the accounting does not; there may be none.

    Args:
        job: the number of the array.
        name: its name: another cluster has another job of that number.
        clusters: where it was submitted; "" for this one.
    """
    found = _accounted(job, name, clusters)
    for cluster in clusters.split(","):
        found |= _remembered(job, name, cluster)
    return found


def _accounted(job: str, name: str, clusters: str) -> dict[int, Record]:
    which = ("-n", "-X", "-P", "-j", job, f"--name={name}")
    try:
        text = _say("sacct", *_on(clusters), *which, "-o", "JobID,State,ExitCode")
    except UserError:
        return {}
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return {
        index: Record(state.partition(" ")[0], code.partition(":")[2])
        for number, state, code in rows
        for index in _indices(number.partition("_")[2])
    }


def _remembered(job: str, name: str, cluster: str) -> dict[int, Record]:
    try:
        text = _say("scontrol", *_on(cluster), "-o", "show", "job", job)
    except UserError:
        return {}
    keys = "JobName|ArrayTaskId|JobState|ExitCode"
    rows = [dict(re.findall(rf"\b({keys})=(\S+)", line)) for line in text.splitlines()]
    return {
        index: Record(row["JobState"], row["ExitCode"].partition(":")[2])
        for row in rows
        if row.get("JobName") == name
        for index in _indices(row.get("ArrayTaskId", ""))
    }


def _indices(text: str) -> Iterator[int]:
    """Yield the indices that "3", "0-3,7%2", "[0-8:2]" stand for; 0 for "", a job that is no array.

    Those after the "%" say how many may run at once.
    """
    for part in (text.strip("[]").partition("%")[0] or "0").split(","):
        ends, _, step = part.partition(":")
        first, _, last = ends.partition("-")
        with suppress(ValueError):
            yield from range(int(first), int(last or first) + 1, int(step or 1))


def _on(clusters: str) -> tuple[str, ...]:
    return ("-M", clusters) if clusters else ()


def _say(*words: str) -> str:
    # A long list of indices would be cut.
    env = os.environ | {"SLURM_BITSTR_LEN": "0"}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{words[0]} does not answer: {error}") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise UserError(f"{words[0]}: {said}")
    return done.stdout
