"""What Slurm's own commands say; nothing here needs accounting."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from benchmark.registry import UserError

PATIENCE = 60
PENDING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "SUSPENDED")


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


def queue(jobs: Iterable[str]) -> dict[tuple[str, int], Task] | None:
    """Return the tasks of arrays by name and index, those that wait or run; None: no answer.

    Args:
        jobs: the names of the arrays.
    """
    named = ",".join(sorted(jobs))
    if not named:
        return {}
    try:
        text = _say("squeue", "-h", "-r", f"--name={named}", "-o", "%j|%K|%i|%T|%r")
    except UserError:
        return None
    rows = [line.split("|", 4) for line in text.splitlines() if line.count("|") >= 4]
    # A job that is no array has no index: "N/A".
    return {(name, int(k) if k.isdigit() else 0): Task(*rest) for name, k, *rest in rows}


def requeue(job: str) -> None:
    """Put the job back into the queue; UserError if Slurm refuses."""
    _say("scontrol", "requeue", job)


def ending(job: str) -> str:
    """Return how a job ended, as far as Slurm says: "OUT_OF_MEMORY", "FAILED, signal 9"; else "".

    Asked of the accounting, and where there is none of the controller, which forgets after minutes.
    """
    for ask in (_accounted, _remembered):
        state, code = ask(job)
        if state:
            return state if code in ("", "0") else f"{state}, signal {code}"
    return ""


def _accounted(job: str) -> tuple[str, str]:
    try:
        text = _say("sacct", "-n", "-X", "-P", "-j", job, "-o", "State,ExitCode")
    except UserError:
        return "", ""
    state, _, code = (text.strip().splitlines() or [""])[-1].partition("|")
    return state.partition(" ")[0], code.partition(":")[2]


def _remembered(job: str) -> tuple[str, str]:
    try:
        text = _say("scontrol", "-o", "show", "job", job)
    except UserError:
        return "", ""
    found = dict(re.findall(r"\b(JobState|ExitCode)=(\S+)", text))
    return found.get("JobState", ""), found.get("ExitCode", "").partition(":")[2]


def _say(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{words[0]} does not answer: {error}") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise UserError(f"{words[0]}: {said}")
    return done.stdout
