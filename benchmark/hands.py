"""In whose hands each run is: waiting for a job, being trained, or held by somebody who is gone.

The locks say who took a run, Slurm's queue and the processes whether he is still there. A job that
died without a word, on any node and without accounting, is known by its absence from the queue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark import slurm
from benchmark.locks import Lock, Locks, Owner, silent
from benchmark.processes import Process
from benchmark.registry import UserError
from benchmark.submission import Submission, submissions
from results.store import Folder

Place = Literal["queued", "running", "gone"]
Queue = Mapping[tuple[str, int], slurm.Task] | None


@dataclass(frozen=True)
class Hold:
    """A run in somebody's hands.

    Attributes:
        lock: the run's lock.
        place: queued, running, or gone: whoever held it is no more.
        why: why it waits or who has it, for people; "" if there is nothing to say.
        submission: what it was submitted with, if it was.
    """

    lock: Lock
    place: Place
    why: str = ""
    submission: Submission | None = None

    @property
    def task(self) -> int:
        """Its task in the submission."""
        assert self.submission is not None
        waits = self.submission.task_of.get(self.lock.run, 0)
        return self.lock.owner.task if self.lock.owner.task >= 0 else waits


def look(out: Path) -> dict[str, Hold]:
    """Return who holds what among the runs in `out`; nothing is changed.

    Raises:
        UserError: the locks cannot be read.
    """
    # In this order: a job that ends in between has given its locks back, and whoever takes one of
    # these now will fail; a job that is submitted in between says so before it is in the queue.
    locks = Locks(out).held()
    named = {lock.owner.submission for lock in locks.values()} - {""}
    known = {s.id: s for s in submissions(out) if s.id in named} if named else {}
    arrays = [
        s.array_name(i)
        for s in known.values()
        if s.on == "slurm"
        for i in range(s.number_of_arrays)
    ]
    queue = slurm.queue(arrays) if arrays else {}
    return {
        run: _hold(lock, known.get(lock.owner.submission), queue) for run, lock in locks.items()
    }


def _hold(lock: Lock, submission: Submission | None, queue: Queue) -> Hold:
    if not lock.owner.submission:
        return Hold(lock, "running" if _there(lock.owner.process, lock) else "gone", _who(lock))
    if submission is None:
        return Hold(lock, "gone", "the record of its submission is lost")
    place: Place
    if submission.on == "local":
        there = _there(lock.owner.process, lock) if lock.trains else _worked_on(submission, lock)
        place = "gone" if not there else "running" if lock.trains else "queued"
        return Hold(lock, place, _who(lock) if lock.trains else "", submission)
    return _scheduled(lock, submission, queue)


def _scheduled(lock: Lock, submission: Submission, queue: Queue) -> Hold:
    """Return the hold of a run that Slurm has or had."""
    likely: Place = "running" if lock.trains else "queued"
    if queue is None or submission.cluster != slurm.site().cluster:
        return Hold(lock, likely, "its Slurm does not answer", submission)
    number = lock.owner.task if lock.trains else submission.task_of.get(lock.run, -1)
    task = queue.get(submission.array(number))
    if task is not None and task.runs:
        return Hold(lock, likely, f"job {task.job}", submission)
    if task is not None:
        return Hold(lock, "queued", f"job {task.job}: {task.reason}", submission)
    submitted = number >= 0 and number // submission.size < len(submission.arrays)
    if not submitted and _there(submission.submitter, lock):
        return Hold(lock, "queued", "being submitted", submission)
    return Hold(lock, "gone", "", submission)


def _worked_on(submission: Submission, ticket: Lock) -> bool:
    """Whether a run that waits for local processes has any; these beat for its ticket."""
    there = submission.workers or (submission.submitter,)
    return any(_there(process, ticket) for process in there)


def _there(process: Process, lock: Lock) -> bool:
    """Whether a process is; of another host's, whether it gave a sign of life of late."""
    return process.alive if process.is_here else not silent(lock)


def _who(lock: Lock) -> str:
    return f"process {lock.owner.process.pid} on {lock.owner.process.host}"


def settle(out: Path) -> dict[str, Hold]:
    """Record what became of runs whose holders are gone; return who holds what now.

    A run that was being trained by a job failed, with the reason that can be found. One that still
    waited for its turn is free again, unless its job died before it did anything.

    Raises:
        UserError: the locks cannot be read or written.
    """
    holds = look(out)
    gone = {run: hold for run, hold in holds.items() if hold.place == "gone"}
    if not gone:
        return holds
    locks = Locks(out)
    began = {(h.submission.id, h.task) for h in gone.values() if h.submission and h.lock.trains}
    left = {run: hold for run, hold in holds.items() if run not in gone}
    with locks.owner(Owner()) as mine:
        held = {run: hold.lock for run, hold in gone.items()}
        for run in mine.take(gone, held):
            failure = _failure(gone[run], began)
            if failure:
                bury(Folder(out / run), gone[run], failure)
            mine.release([run])
    return left


def glance(out: Path) -> dict[str, Hold]:
    """Return what `settle` does; where nothing can be written, what `look` does."""
    try:
        return settle(out)
    except UserError:
        return look(out)


def _failure(hold: Hold, began: set[tuple[str, int]]) -> str:
    """Return why a run whose holder is gone failed; "" if it may simply be done again."""
    submission = hold.submission
    if submission is None:
        return ""  # a `run` that was killed: the same command continues
    if submission.on == "local":
        return f"its process ({_who(hold.lock)}) died" if hold.lock.trains else ""
    if hold.task // submission.size >= len(submission.arrays):
        return ""  # it was never submitted
    job = hold.lock.owner.job or submission.job(hold.task)
    if not hold.lock.trains and (submission.id, hold.task) in began:
        return ""
    how = slurm.ending(job) or "no word of how"
    return f"job {job} ended" + (f": {how}" if hold.lock.trains else f" before it began: {how}")


def bury(folder: Folder, hold: Hold, reason: str) -> None:
    """Record a failure of a run that cannot do so itself, unless it ended otherwise.

    Raises:
        UserError: the folder cannot be written to.
    """
    submission = hold.submission
    assert submission is not None
    if folder.state != "unfinished":
        return
    if not folder.was_asked:
        runs = submission.tasks[submission.task_of[folder.name]]
        folder.ask(next(run["asked"] for run in runs if run["name"] == folder.name))
    folder.fail("failed", reason, log=submission.tail(hold.task))


def bury_dead(submission: Submission, pid: int, reason: str) -> None:
    """Record the failure of what a process of this host was training when it died."""
    locks = Locks(submission.out)
    held = {
        run: lock
        for run, lock in locks.held().items()
        if lock.trains and lock.owner.process.is_here and lock.owner.process.pid == pid
    }
    with locks.owner(Owner()) as mine:
        for run in mine.take(held, held):
            bury(Folder(submission.out / run), Hold(held[run], "gone", "", submission), reason)
            mine.release([run])
