"""Slurm: what its commands say of jobs, and arrays of tasks that submitit submits.

Nothing here needs accounting. Each command speaks of one cluster, this one, unless another
is named: a job on another one is not shown. submitit writes the batch scripts and submits them, no
more: whether a job lives is for `liveness` to say, and what it did for the folders of its runs. So
nothing waits for ever on a job that died without saying so, and nothing that lies in a folder of
runs is unpickled to read it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

from benchmark import ROOT
from benchmark.cluster.submission import Submission
from benchmark.registry import UserError

TIMEOUT_SECONDS = 60
PENDING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "SUSPENDED")
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT",
)  # fmt: skip
COLUMNS = "Name:80|,ArrayTaskID:20|,JobArrayID:40|,State:40|,exit_code:20|,Reason:200|"
NOTICE_SECONDS = 90
USUAL = {"requeue": "", "signal": f"B:USR2@{NOTICE_SECONDS}", "kill-on-invalid-dep": "yes"}
FOR_OTHERS_TO_WRITE = 0o022


@dataclass(frozen=True)
class Record:
    """What Slurm knows of a task of an array, or of a job that is none.

    Attributes:
        job: its number, "12_3" for example.
        state: PENDING, RUNNING, COMPLETED, ...
        signal: that ended it; "" or "0" for none.
        reason: why it waits.
    """

    job: str
    state: str
    signal: str = ""
    reason: str = ""

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


@cache
def site() -> Site:
    """Read the site's settings.

    Raises:
        UserError: Slurm is not there, or does not answer.
    """
    if shutil.which("sbatch") is None or shutil.which("squeue") is None:
        raise UserError("there is no Slurm here: no sbatch on the PATH; --on local needs none")
    text = _output("scontrol", "show", "config")
    found = dict(re.findall(r"^(ClusterName|MaxArraySize)\s*=\s*(\S+)", text, re.MULTILINE))
    return Site(found.get("ClusterName", ""), int(found.get("MaxArraySize", 1001)))


def queue(arrays: Iterable[str], clusters: str = "") -> dict[tuple[str, int], Record] | None:
    """Return what the controller knows of the tasks of arrays, by name and index; None: no answer.

    It forgets those that ended after minutes.

    Args:
        arrays: their names: another cluster has another job of the same number.
        clusters: where they were submitted; "" for this one.
    """
    names = ",".join(sorted(arrays))
    if not names:
        return {}
    which = ("-h", "-r", "-t", "all", f"--name={names}", "-O", COLUMNS)
    try:
        text = _output("squeue", *_on(clusters), *which)
    except UserError:
        return None
    rows = [map(str.strip, line.split("|")) for line in text.splitlines() if line.count("|") >= 6]
    # A job that is no array has no index: "N/A".
    return {
        (name, int(index) if index.isdigit() else 0): Record(job, state, _signal(code), reason)
        for name, index, job, state, code, reason, *_ in rows
    }


def accounted(array: str, name: str, clusters: str = "") -> dict[int, Record]:
    """Return what the accounting has of the tasks of an array, by index; there may be none.

    Args:
        array: its number.
        name: its name.
        clusters: where it was submitted; "" for this one.
    """
    which = ("-n", "-X", "-P", "-j", array, f"--name={name}", "-o", "JobID,State,ExitCode")
    try:
        text = _output("sacct", *_on(clusters), *which)
    except UserError:
        return {}
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return {
        index: Record(job, state.partition(" ")[0], _signal(code))
        for job, state, code in rows
        for index in _indices(job.partition("_")[2])
    }


def requeue(job: str) -> None:
    """Put the job back into the queue; UserError if Slurm refuses."""
    _output("scontrol", "requeue", job)


def _signal(exit_code: str) -> str:
    """Return the signal of "0:9", or of a status as `wait` returns it, which squeue prints."""
    if exit_code.isdigit():
        return str(os.WTERMSIG(int(exit_code)))
    return exit_code.partition(":")[2]


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


def _output(*command: str) -> str:
    """Return what a command of Slurm's prints; UserError if it fails."""
    env = os.environ | {"SLURM_BITSTR_LEN": "0"}  # a long list of indices would be cut
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{command[0]} does not answer: {error}") from error
    if done.returncode:
        text = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise UserError(f"{command[0]}: {text}")
    return done.stdout


def submit(submission: Submission, number: int, dependency: str = "") -> str:
    """Submit one array of a submission; return the number of its job.

    Args:
        submission: whose tasks they are.
        number: of the array.
        dependency: what it waits for; "" for nothing.

    Raises:
        UserError: Slurm refuses, in its words, or a file cannot be written.
    """
    import submitit  # which takes a moment

    from benchmark.cluster.job import Task

    options = submission.options
    tasks = range(len(submission.tasks))[number * submission.size :][: submission.size]
    # Of one task, submitit makes a job that is no array.
    log = submission.log(tasks[0], "" if len(tasks) == 1 else "%a")
    sbatch = {**USUAL, **options.sbatch, "output": str(log), "ntasks": "1"}
    if dependency:
        sbatch["dependency"] = ",".join(filter(None, (sbatch.get("dependency"), dependency)))
    try:
        folder = _private(submission.folder / "submitit")
        # The task takes the shell's place, and so its signals.
        executor = submitit.SlurmExecutor(folder, python=f"exec {shlex.quote(sys.executable)}")
        executor.update_parameters(
            job_name=submission.array(tasks[0])[0],
            array_parallelism=options.parallel or len(tasks),
            setup=[*_setup(folder), *options.setup],
            additional_parameters={k.replace("-", "_"): v or True for k, v in sbatch.items()},
            stderr_to_stdout=True,
            use_srun=False,
            # Of these, Slurm knows better what is usual at the site.
            time=None,
            wckey=None,
        )
        with redirect_stderr(StringIO()):  # what sbatch says is in the error, too
            job, *_ = executor.submit_array([Task(str(submission.folder), i) for i in tasks])
    except RuntimeError as error:
        raise UserError(" ".join(str(error).splitlines())) from error
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}") from error
    return job.job_id.partition("_")[0]


def _private(folder: Path) -> Path:
    """Make a folder for pickles, which only its owner can write to: jobs load what lies there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & FOR_OTHERS_TO_WRITE:
        raise UserError(f"others could write to {folder}, and so say what jobs do")
    return folder


def _setup(folder: Path) -> list[str]:
    """Return what every job begins with; it loads no pickle where anybody else could have put it.

    Slurm keeps these lines for itself from the submission on.
    """
    place = shlex.quote(str(folder))
    found = f'find {place} -maxdepth 0 -type d -uid "$(id -u)" ! -perm /{FOR_OTHERS_TO_WRITE:o}'
    return [
        f'[ -n "$({found})" ] || {{ echo error: {place} is not private; exit 1; }}',
        f'export PYTHONPATH={shlex.quote(str(ROOT))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        'export SUBMITIT_LOG_LEVEL="${SUBMITIT_LOG_LEVEL:-ERROR}"',
        "trap '' USR2",  # which would end a Python that is still being imported
    ]
