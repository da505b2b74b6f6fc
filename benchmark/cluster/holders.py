"""In whose hands each run is: waiting for a job, being trained, or held by somebody who is gone.

The locks say who took a run, Slurm's queue and the processes whether he is still there. What a
query does not show is not dead: it may be on a cluster that was not asked. A run is gone when Slurm
has its job on record as ended, when its process on this host ended, or when it gives no sign of
life.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmark.cluster import slurm
from benchmark.cluster.leases import Lock, Locks, Owner, silent
from benchmark.cluster.processes import Process
from benchmark.cluster.submission import Submission, submissions
from benchmark.registry import UserError
from results.store import Folder

Place = Literal["queued", "running", "gone"]
Queue = Mapping[tuple[str, int], slurm.Task] | None
Records = Callable[[str, str, str], Mapping[int, slurm.Record]]
NOT_SHOWN = "its Slurm does not show job {}; if that is over, remove the run's files in .locks"


@dataclass(frozen=True)
class Hold:
    """A run in somebody's hands.

    Attributes:
        lock: the run's lock.
        place: queued, running, or gone: whoever held it is no more.
        why: why it waits or who has it, for people; "" if there is nothing to say.
        submission: what it was submitted with, if it was.
        ending: how its job ended, as far as Slurm says.
    """

    lock: Lock
    place: Place
    why: str = ""
    submission: Submission | None = None
    ending: str = ""

    @property
    def task(self) -> int:
        """Its task in the submission."""
        assert self.submission is not None
        return _task(self.lock, self.submission)


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
    queues, records = _queues(known.values()), cache(slurm.records)
    holds: dict[str, Hold] = {}
    jobs: dict[tuple[str, int], list[Lock]] = {}
    for lock in locks.values():
        submission = known.get(lock.owner.submission)
        if submission is None or submission.on == "local":
            holds[lock.run] = _hold(lock, submission)
        else:
            jobs.setdefault((submission.id, _task(lock, submission)), []).append(lock)
    for (name, task), those in jobs.items():
        submission = known[name]
        queue = queues[submission.clusters]
        holds |= {hold.lock.run: hold for hold in _of_job(those, submission, task, queue, records)}
    return holds


def _task(lock: Lock, submission: Submission) -> int:
    """Return the task of a run; -1 if it is not written down yet."""
    return lock.owner.task if lock.trains else submission.task_of.get(lock.run, -1)


def _queues(submissions: Iterable[Submission]) -> dict[str, Queue]:
    """Return the queues of the clusters that were submitted to."""
    names: dict[str, list[str]] = {}
    for one in submissions:
        if one.on == "slurm":
            arrays = map(one.array_name, range(one.number_of_arrays))
            names.setdefault(one.clusters, []).extend(arrays)
    return {clusters: slurm.queue(arrays, clusters) for clusters, arrays in names.items()}


def _hold(lock: Lock, submission: Submission | None) -> Hold:
    if not lock.owner.submission:
        return Hold(lock, "running" if _there(lock.owner.process, lock) else "gone", _who(lock))
    if submission is None:
        return Hold(lock, "gone", "the record of its submission is lost")
    there = _there(lock.owner.process, lock) if lock.trains else _worked_on(submission, lock)
    place: Place = "gone" if not there else "running" if lock.trains else "queued"
    return Hold(lock, place, _who(lock) if lock.trains else "", submission)


def _of_job(
    locks: Sequence[Lock], submission: Submission, task: int, queue: Queue, records: Records
) -> list[Hold]:
    """Return the holds of the runs of a job that Slurm has or had."""

    def all_are(why: str, place: Place | None = None, ending: str = "") -> list[Hold]:
        places: list[Place] = [place or ("running" if lock.trains else "queued") for lock in locks]
        pairs = zip(locks, places, strict=True)
        return [Hold(lock, where, why, submission, ending) for lock, where in pairs]

    if queue is None or submission.cluster != slurm.site().cluster:
        return all_are("its Slurm does not answer")
    name, index = submission.array(task)
    shown = queue.get((name, index))
    if shown is not None:
        job = f"job {shown.job}"
        return all_are(job) if shown.runs else all_are(f"{job}: {shown.reason}", "queued")
    job = _job(locks, submission, task)
    if not job:
        there = _there(submission.submitter, locks[0])
        return all_are("being submitted", "queued") if there else all_are("", "gone")
    record = records(job.partition("_")[0], name, submission.clusters).get(index)
    if record is None:
        return all_are("", "gone") if _abandoned(locks) else all_are(NOT_SHOWN.format(job))
    if record.ended:
        return all_are("", "gone", str(record))
    return all_are(f"job {job}: {record.state}", None if record.runs else "queued")


def _job(locks: Iterable[Lock], submission: Submission, task: int) -> str:
    """Return Slurm's number of a task's job; "" if it has none yet."""
    told = next((lock.owner.job for lock in locks if lock.owner.job), "")
    submitted = 0 <= task // submission.size < len(submission.arrays)
    return told or (submission.job(task) if submitted else "")


def _abandoned(locks: Iterable[Lock]) -> bool:
    """Whether all who trained runs of a job are gone; while none did, nobody can tell."""
    trained = [lock for lock in locks if lock.trains]
    return bool(trained) and not any(_there(lock.owner.process, lock) for lock in trained)


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
    job = _job([hold.lock], submission, hold.task)
    if not job:
        return ""  # it was never submitted
    if not hold.lock.trains and (submission.id, hold.task) in began:
        return ""
    how = hold.ending or "no word of how"
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
