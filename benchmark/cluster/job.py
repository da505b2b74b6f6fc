"""A job: what submitit calls, or `python -m benchmark.cluster.job FOLDER TASK` of --on local.

It executes the runs of one task of a submission, one after another. Given `WITH_STDIN` after these,
it ends as on SIGTERM when its standard input does; given a number, it is that part of a job whose
parts train beside each other.

On Slurm's signal (USR2: time is short, or the place is needed) what trains is saved, and the job
goes back into the queue; wherever it was killed, it continues from each run's own last checkpoint.
Torch is imported when there is something to train: a job whose runs are all done ends at once.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from benchmark.cluster import slurm
from benchmark.cluster.leases import Leases, Lost, Owner, OwnLeases
from benchmark.cluster.liveness import release_process
from benchmark.cluster.submission import Submission, read
from benchmark.errors import UserError, traceback_end
from datasets import load, packed_file
from results.atomic import write_text
from results.kept import NotKept
from results.state import state_of
from results.store import Folder

AGAIN = 75
"""The exit code of a part of a job that is to be done again: EX_TEMPFAIL of sysexits.h."""
GRACE_SECONDS = 30
WITH_STDIN = "--end-with-stdin"
IDLE_STARTS = 3
LOAD = cache(load)
TOO_SHORT = "with no step and no stage done: its jobs have too little time"


@dataclass(frozen=True)
class Task:
    """What submitit pickles, and calls in a job.

    It has no `checkpoint`: submitit's handler of the signal, which saves in the middle of a step
    and counts how often time was short, makes way for one that does neither.

    Attributes:
        folder: of the submission.
        number: of the task.
    """

    folder: str
    number: int

    def __call__(self) -> None:
        """Execute its runs; SystemExit with a code unless all are done."""
        code = main([self.folder, str(self.number)])
        if code:
            sys.exit(code)


class Stop:
    """Whether a job is to end, and whether it is to come back.

    Args:
        requeue: called before a job ends that is to come back.
    """

    def __init__(self, requeue: Callable[[], None] = lambda: None) -> None:
        self.signalled = self.again = False
        self.requeue = requeue
        self.parts: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.signalled

    def take(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: to end, that time is short, or that it is up."""
        if number == signal.SIGALRM:
            os._exit(self.exit_code())  # no file is ever half-written
        self.signalled = True
        self.again = self.again or number == signal.SIGUSR2
        for part in self.parts:
            part.send_signal(number)
        if number == signal.SIGUSR2 and not self.parts:
            signal.alarm(GRACE_SECONDS)

    def exit_code(self) -> int:
        """Return the exit code of what was stopped, after putting it back into the queue."""
        if not self.again:
            return 128 + signal.SIGTERM
        self.requeue()
        return AGAIN


def main(arguments: Sequence[str]) -> int:
    """Execute a task, or a part of it; return the exit code."""
    submission, number = read(Path(arguments[0])), int(arguments[1])
    if submission is None:
        print(f"error: cannot read the submission in {arguments[0]}", file=sys.stderr)
        return 2
    part = int(arguments[2]) if arguments[2:] and arguments[2].isdigit() else None
    whole_job = submission.options.on == "slurm" and part is None
    stop = Stop(lambda: requeue(submission, number)) if whole_job else Stop()
    for which in (signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(which, stop.take)
    if WITH_STDIN in arguments:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    runs, at_once = _runs(submission, number), submission.options.beside
    processors = os.environ.get("SLURM_CPUS_PER_TASK")
    if processors:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(processors) // at_once)))
    if part is not None:
        return execute_runs(submission, number, runs[part::at_once], stop)
    if min(at_once, len(runs)) > 1:
        return beside(submission, number, min(at_once, len(runs)), stop)
    return execute_runs(submission, number, runs, stop)


def requeue(submission: Submission, number: int) -> None:
    """Put this job back into the queue; where that cannot be, free its runs for others."""
    try:
        slurm.requeue(job())
    except UserError as error:  # scontrol may be absent on compute nodes
        print(f"error: {error}; the same command continues", file=sys.stderr, flush=True)
        leases = Leases(submission.out)
        for run in submission.tasks[number]:
            lease = leases.of(run["name"])
            if lease is not None and lease.owner.submission == submission.id:
                leases.remove(lease.run, lease.owners)


def job() -> str:
    """Return Slurm's number of this job; "" outside Slurm."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{part}") for part in ("JOB_ID", "TASK_ID"))
    return f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "")


def _end_with_stdin() -> None:
    """Wait for the end of standard input, a pipe whose other end the starting process has."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _runs(submission: Submission, number: int) -> list[dict[str, Any]]:
    """Return the runs of a task. Local processes share all runs, and each begins elsewhere."""
    tasks = submission.tasks
    if submission.options.on == "slurm":
        return tasks[number]
    first = number * len(tasks) // max(1, len(submission.workers))
    return [run for task in [*tasks[first:], *tasks[:first]] for run in task]


def beside(submission: Submission, number: int, parts: int, stop: Stop) -> int:
    """Have so many processes share the runs of a task; return the worst of their exit codes."""
    program = [sys.executable, "-m", "benchmark.cluster.job", str(submission.folder), str(number)]
    for part in range(parts):
        stop.parts.append(subprocess.Popen([*program, str(part)]))
    codes = [part.wait() for part in stop.parts]
    if stop():
        return stop.exit_code()
    for ended, code in zip(stop.parts, codes, strict=True):
        if code < 0:
            release_process(submission, ended.pid, f"killed by signal {-code}")
    return max(abs(code) for code in codes)


def execute_runs(
    submission: Submission, number: int, runs: Sequence[dict[str, Any]], stop: Stop
) -> int:
    """Execute the runs of a task, one after another; return the exit code."""
    owner = Owner(submission=submission.id, task=number, job=job())
    leases, code = Leases(submission.out), 0
    with leases.owner(owner, submission.file) as own:
        for run in runs:
            name = run["name"]
            if not take(name, submission, number, leases, own):
                continue
            state: str = state_of(submission.out / name, submission.wanted).state
            if state != "done":
                state = train(run, submission, stop, own)
            if state != "done":
                code = 1
            if stop():
                if submission.options.on == "local":  # it is not requeued
                    own.release([name])
                return stop.exit_code()
            if state:
                own.release([name])
    return code


def take(name: str, submission: Submission, number: int, leases: Leases, own: OwnLeases) -> bool:
    """Take a run from its submitter, or from this task's own earlier start.

    A run without a lease is over: it was done, or its failure is recorded.
    """
    lease = leases.of(name)
    if lease is None or lease.owner.submission != submission.id:
        return False
    return lease.owner.task in (-1, number) and bool(own.take([name], {name: lease}))


def train(run: dict[str, Any], submission: Submission, stop: Stop, own: OwnLeases) -> str:
    """Train and score a run; return its state, or "" if not even a failure could be recorded.

    When stopped, it is saved and unfinished.
    """
    folder, starts = Folder(submission.out / run["name"]), submission.folder / f"{run['name']}.json"
    print(f"{folder.name}: begins, in job {job() or os.getpid()}", flush=True)
    try:
        _execute(run, submission, stop, own, starts)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return folder.state if isinstance(error, NotKept) else ""
    if not stop():
        starts.unlink(missing_ok=True)
    print(f"{folder.name}: {'saved' if stop() else folder.state}", flush=True)
    return folder.state


def _execute(
    run: dict[str, Any], submission: Submission, stop: Stop, own: OwnLeases, starts: Path
) -> None:
    """Execute a run; a failure is recorded.

    Raises:
        Lost: another process has taken it over.
        UserError: NotKept, or its folder cannot be written to.
    """
    from benchmark.config.applicable import check_fits
    from benchmark.config.run import Run
    from benchmark.evaluation.tracking import Track
    from benchmark.runner import Context, execute
    from benchmark.training import hardware, progress
    from benchmark.training.loop import Stopped

    found, options = Run(**run["run"]), submission.options
    track, device = Track(submission.track, submission.scores), hardware.device(options.device)
    context = Context(submission.out, device, stop, track, own.verify, submission.keep)
    report = progress.lines(f"{found.dataset} {found.method} seed {found.seed}")
    reason = log = ""
    try:
        folder = found.folder(submission.out)
        if folder.name != run["name"]:
            raise UserError(f"{found.method} is of another version than when it was submitted")
        if idle_starts(starts, folder, found.dataset) >= IDLE_STARTS:
            raise UserError(f"it came back {IDLE_STARTS} times {TOO_SHORT}")
        dataset = LOAD(found.dataset, options.data_dir)
        check_fits([found], dataset)
        execute(found, dataset, submission.scores, context, report)
    except Stopped:
        pass
    except (Lost, NotKept):
        raise
    except UserError as error:
        reason, log = str(error), traceback_end()
    if reason:
        gc.collect()  # a file that did not fit on the disk stays there while its error is known
        submission.fail(run["name"], reason, log)


def idle_starts(record: Path, folder: Folder, dataset: str) -> int:
    """Return how often in a row a run was started and saved nothing; count another start.

    Args:
        record: the file in which they are counted.
        folder: the run's.
        dataset: its data set, of which the cache folder keeps what is made once for all runs.

    Raises:
        UserError: the file cannot be written.
    """
    root = packed_file.root()
    shared = [*root.glob(f"oracle-{dataset}-*"), *root.glob(f"inception/{dataset}-*")]
    saved = 0.0  # when something was last saved that the run would continue from
    for path in [*folder.path.rglob("*"), *shared]:
        # Logs and records are written anew at every start, and hidden files are torn ones.
        if path.suffix not in (".csv", ".json", "") and not path.name.startswith("."):
            with suppress(OSError):  # another run has just finished what all of them share
                saved = max(saved, path.stat().st_mtime)
    before = {"saved": saved, "idle": -1}
    with suppress(OSError, ValueError):
        before |= json.loads(record.read_bytes())
    idle = before["idle"] + 1 if before["saved"] == saved else 0
    write_text(record, json.dumps({"saved": saved, "idle": idle}))
    return int(idle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
