"""A job: what submitit calls, or `python -m benchmark.cluster.job FOLDER TASK` of --on local.

It brings the runs of one task of a submission to their ends. With the word `WITH_STDIN` after these
it ends as on SIGTERM when its standard input does.

On Slurm's signal (USR2: time is short, or the place is needed) what trains is saved, and the job
goes back into the queue; wherever it was killed, it continues from each run's own last checkpoint.
Torch is imported when there is something to train: a job whose runs others have finished ends at
once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from benchmark.cluster import slurm
from benchmark.cluster.leases import Held, Leases, Owner
from benchmark.cluster.submission import Submission, read
from benchmark.registry import UserError
from results.state import state_of

AGAIN = 75
"""The exit code of a part of a job that is to be done again: EX_TEMPFAIL of sysexits.h."""
GRACE_SECONDS = 30
WITH_STDIN = "--end-with-stdin"


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
        """Bring its runs to their ends; SystemExit with a code unless all are done."""
        code = main([self.folder, str(self.number)])
        if code:
            sys.exit(code)


class Stop:
    """Whether Slurm wants the job to end, and whether it is to come back.

    Args:
        give_back: called when it cannot come back, so that others may continue its runs.
    """

    def __init__(self, give_back: Callable[[], None] = lambda: None) -> None:
        self.asked = self.again = False
        self.give_back = give_back

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.asked

    def requeue(self, number: int, frame: FrameType | None) -> None:
        """Take the signal that time is short; what goes on for `GRACE_SECONDS` is left."""
        self.asked = self.again = True
        signal.alarm(GRACE_SECONDS)

    def end(self, number: int, frame: FrameType | None) -> None:
        """Take the signal to end."""
        self.asked = True

    def leave(self, number: int, frame: FrameType | None) -> None:
        """End at once: no file is ever half-written."""
        os._exit(leave(self))


def leave(stop: Stop) -> int:
    """Return the exit code of a stopped part; put the job back into the queue if it is to be."""
    if stop.again and "BENCHMARK_PART" not in os.environ and "SLURM_JOB_ID" in os.environ:
        try:
            slurm.requeue(job())
        except UserError as error:  # scontrol may be absent on compute nodes
            print(f"error: {error}; the same command continues", file=sys.stderr, flush=True)
            stop.give_back()
    return AGAIN if stop.again else 128 + signal.SIGTERM


def job() -> str:
    """Return Slurm's number of this job; "" outside Slurm."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{part}") for part in ("JOB_ID", "TASK_ID"))
    return f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "")


def main(words: Sequence[str]) -> int:
    """Do what the words of the command line say; return the exit code."""
    submission, number = read(Path(words[0])), int(words[1])
    if submission is None:
        print(f"error: cannot read the submission in {words[0]}", file=sys.stderr)
        return 2
    stop = Stop(lambda: give_back(submission, number))
    for which, handler in _handlers(stop).items():
        signal.signal(which, handler)
    if WITH_STDIN in words:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    runs = _runs(submission, number)
    set_threads(submission.beside)
    if "BENCHMARK_PART" not in os.environ and min(submission.beside, len(runs)) > 1:
        return beside(submission, number, runs, stop)
    part = int(os.environ.get("BENCHMARK_PART", 0))
    step = submission.beside if "BENCHMARK_PART" in os.environ else 1
    return work(submission, number, runs[part::step], stop)


def give_back(submission: Submission, number: int) -> None:
    """Give back all runs that a job of Slurm holds or that wait for it."""
    leases = Leases(submission.out)
    for run in submission.task(number):
        lease = leases.of(run["name"])
        if lease is not None and lease.owner.submission == submission.id:
            leases.remove(lease.run, lease.owners)


def _end_with_stdin() -> None:
    """Wait for the end of standard input, a pipe whose other end the starting process has."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _runs(submission: Submission, number: int) -> list[dict[str, Any]]:
    """Return the runs of a task. Local processes share all runs, and each begins elsewhere."""
    if submission.on == "slurm":
        return submission.task(number)
    tasks = submission.tasks
    first = number * len(tasks) // max(1, len(submission.workers))
    return [run for task in [*tasks[first:], *tasks[:first]] for run in task]


def _handlers(stop: Stop) -> dict[int, Any]:
    return {
        signal.SIGUSR2: stop.requeue,
        signal.SIGALRM: stop.leave,
        signal.SIGTERM: stop.end,
        signal.SIGINT: stop.end,
    }


def set_threads(beside: int) -> None:
    """Have as many threads as the job has processors, less what trains beside."""
    given = os.environ.get("SLURM_CPUS_PER_TASK")
    if given:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(given) // beside)))


def beside(submission: Submission, number: int, runs: Sequence[Any], stop: Stop) -> int:
    """Have so many processes share the runs of a task; return the worst of their exit codes."""
    words = [sys.executable, "-m", "benchmark.cluster.job", str(submission.folder), str(number)]
    parts = [
        subprocess.Popen(words, env=os.environ | {"BENCHMARK_PART": str(i)})
        for i in range(min(submission.beside, len(runs)))
    ]

    def forward(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        stop.again = stop.again or number == signal.SIGUSR2
        for part in parts:
            part.send_signal(number)

    for which in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(which, forward)
    codes = [part.wait() for part in parts]
    if stop.asked:
        return leave(stop)
    from benchmark.cluster.holders import bury_dead

    for part, code in zip(parts, codes, strict=True):
        if code < 0:
            bury_dead(submission, part.pid, f"killed by signal {-code}")
    return max(abs(code) for code in codes)


def work(submission: Submission, number: int, runs: Sequence[dict[str, Any]], stop: Stop) -> int:
    """Bring the runs of a task to their ends, one after another; return the exit code."""
    owner = Owner(submission=submission.id, task=number, job=job())
    leases, code = Leases(submission.out), 0
    with leases.owner(owner, submission.ticket) as mine:
        for run in runs:
            if not take(run["name"], submission, number, leases, mine):
                continue
            state: str = state_of(submission.out / run["name"], submission.wanted).state
            if state != "done":
                state = _train(run, submission, stop, mine)
            if state != "done":
                code = 1
            if stop():
                if submission.on == "local":  # nobody will bring it back
                    mine.release([run["name"]])
                return leave(stop)
            if state:
                mine.release([run["name"]])
    return code


def take(name: str, submission: Submission, number: int, leases: Leases, mine: Held) -> bool:
    """Take a run over from its ticket, or from this task's own former life.

    A run without a ticket is over: it was done, or its failure is recorded.
    """
    lease = leases.of(name)
    if lease is None or lease.owner.submission != submission.id:
        return False
    if lease.trains and lease.owner.task != number:
        return False
    return bool(mine.take([name], {name: lease}))


def _train(run: dict[str, Any], submission: Submission, stop: Stop, mine: Held) -> str:
    """Train and score a run; return its state, or "" if not even a failure could be recorded."""
    from benchmark.cluster.job_run import bring

    print(f"{run['name']}: begins, in job {job() or os.getpid()}", flush=True)
    try:
        state = bring(run, submission, stop, mine.verify)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return ""
    print(f"{run['name']}: {'saved' if stop() else state}", flush=True)
    return state


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
