"""In whose hands each run is: waiting for a job, being trained, or held by somebody who is gone.

The leases say who took a run, Slurm's queue and the processes whether he is still there. What a
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
from benchmark.cluster.leases import Lease, Leases, Owner, stale
from benchmark.cluster.processes import Process
from benchmark.cluster.submission import Submission, submissions
from benchmark.registry import UserError
from results.store import Folder

Place = Literal["queued", "running", "gone"]
Queue = Mapping[tuple[str, int], slurm.Task] | None
Records = Callable[[str, str, str], Mapping[int, slurm.Record]]
NOT_SHOWN = "its Slurm does not show job {}; if that is over, remove the run's files in .leases"


@dataclass(frozen=True)
class Hold:
    """A run in somebody's hands.

    Attributes:
        lease: the run's lease.
        place: queued, running, or gone: whoever held it is no more.
        why: why it waits or who has it, for people; "" if there is nothing to say.
        submission: what it was submitted with, if it was.
        ending: how its job ended, as far as Slurm says.
    """

    lease: Lease
    place: Place
    why: str = ""
    submission: Submission | None = None
    ending: str = ""

    @property
    def task(self) -> int:
        """Its task in the submission."""
        assert self.submission is not None
        return _task(self.lease, self.submission)


def look(out: Path) -> dict[str, Hold]:
    """Return who holds what among the runs in `out`; nothing is changed.

    Raises:
        UserError: the leases cannot be read.
    """
    # In this order: a job that ends in between has given its leases back, and whoever takes one of
    # these now will fail; a job that is submitted in between says so before it is in the queue.
    leases = Leases(out).all()
    named = {lease.owner.submission for lease in leases.values()} - {""}
    known = {s.id: s for s in submissions(out) if s.id in named} if named else {}
    queues, records = _queues(known.values()), cache(slurm.records)
    holds: dict[str, Hold] = {}
    jobs: dict[tuple[str, int], list[Lease]] = {}
    for lease in leases.values():
        submission = known.get(lease.owner.submission)
        if submission is None or submission.on == "local":
            holds[lease.run] = _hold(lease, submission)
        else:
            jobs.setdefault((submission.id, _task(lease, submission)), []).append(lease)
    for (name, task), those in jobs.items():
        submission = known[name]
        queue = queues[submission.clusters]
        holds |= {hold.lease.run: hold for hold in _of_job(those, submission, task, queue, records)}
    return holds


def _task(lease: Lease, submission: Submission) -> int:
    """Return the task of a run; -1 if it is not written down yet."""
    return lease.owner.task if lease.trains else submission.task_of.get(lease.run, -1)


def _queues(submissions: Iterable[Submission]) -> dict[str, Queue]:
    """Return the queues of the clusters that were submitted to."""
    names: dict[str, list[str]] = {}
    for one in submissions:
        if one.on == "slurm":
            arrays = map(one.array_name, range(one.number_of_arrays))
            names.setdefault(one.clusters, []).extend(arrays)
    return {clusters: slurm.queue(arrays, clusters) for clusters, arrays in names.items()}


def _hold(lease: Lease, submission: Submission | None) -> Hold:
    if not lease.owner.submission:
        return Hold(lease, "running" if _there(lease.owner.process, lease) else "gone", _who(lease))
    if submission is None:
        return Hold(lease, "gone", "the record of its submission is lost")
    there = _there(lease.owner.process, lease) if lease.trains else _worked_on(submission, lease)
    place: Place = "gone" if not there else "running" if lease.trains else "queued"
    return Hold(lease, place, _who(lease) if lease.trains else "", submission)


def _of_job(
    leases: Sequence[Lease], submission: Submission, task: int, queue: Queue, records: Records
) -> list[Hold]:
    """Return the holds of the runs of a job that Slurm has or had."""

    def all_are(why: str, place: Place | None = None, ending: str = "") -> list[Hold]:
        places: list[Place] = [
            place or ("running" if lease.trains else "queued") for lease in leases
        ]
        pairs = zip(leases, places, strict=True)
        return [Hold(lease, where, why, submission, ending) for lease, where in pairs]

    if queue is None or submission.cluster != slurm.site().cluster:
        return all_are("its Slurm does not answer")
    name, index = submission.array(task)
    shown = queue.get((name, index))
    if shown is not None:
        job = f"job {shown.job}"
        return all_are(job) if shown.runs else all_are(f"{job}: {shown.reason}", "queued")
    job = _job(leases, submission, task)
    if not job:
        there = _there(submission.submitter, leases[0])
        return all_are("being submitted", "queued") if there else all_are("", "gone")
    record = records(job.partition("_")[0], name, submission.clusters).get(index)
    if record is None:
        return all_are("", "gone") if _abandoned(leases) else all_are(NOT_SHOWN.format(job))
    if record.ended:
        return all_are("", "gone", str(record))
    return all_are(f"job {job}: {record.state}", None if record.runs else "queued")


def _job(leases: Iterable[Lease], submission: Submission, task: int) -> str:
    """Return Slurm's number of a task's job; "" if it has none yet."""
    number = next((lease.owner.job for lease in leases if lease.owner.job), "")
    submitted = 0 <= task // submission.size < len(submission.arrays)
    return number or (submission.job(task) if submitted else "")


def _abandoned(leases: Iterable[Lease]) -> bool:
    """Whether all who trained runs of a job are gone; while none did, nobody can tell."""
    trained = [lease for lease in leases if lease.trains]
    return bool(trained) and not any(_there(lease.owner.process, lease) for lease in trained)


def _worked_on(submission: Submission, waiting: Lease) -> bool:
    """Whether a run that waits for local processes has any; these renew the submission's ticket."""
    there = submission.workers or (submission.submitter,)
    heartbeat = submission.heartbeat or waiting.heartbeat
    return any(_is_alive(process, heartbeat) for process in there)


def _there(process: Process, lease: Lease) -> bool:
    return _is_alive(process, lease.heartbeat)


def _is_alive(process: Process, heartbeat: float) -> bool:
    """Whether a process is alive; of another host's, whether its heartbeat is recent."""
    return process.alive if process.is_here else not stale(heartbeat)


def _who(lease: Lease) -> str:
    return f"process {lease.owner.process.pid} on {lease.owner.process.host}"


def settle(out: Path) -> dict[str, Hold]:
    """Record what became of runs whose holders are gone; return who holds what now.

    A run that was being trained by a job failed, with the reason that can be found. One that still
    waited for its turn is free again, unless its job died before it did anything.

    Raises:
        UserError: the leases cannot be read or written.
    """
    holds = look(out)
    gone = {run: hold for run, hold in holds.items() if hold.place == "gone"}
    if not gone:
        return holds
    leases = Leases(out)
    began = {(h.submission.id, h.task) for h in gone.values() if h.submission and h.lease.trains}
    left = {run: hold for run, hold in holds.items() if run not in gone}
    with leases.owner(Owner()) as mine:
        held = {run: hold.lease for run, hold in gone.items()}
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
        return f"its process ({_who(hold.lease)}) died" if hold.lease.trains else ""
    job = _job([hold.lease], submission, hold.task)
    if not job:
        return ""  # it was never submitted
    if not hold.lease.trains and (submission.id, hold.task) in began:
        return ""
    how = hold.ending or "no word of how"
    return f"job {job} ended" + (f": {how}" if hold.lease.trains else f" before it began: {how}")


def bury(folder: Folder, hold: Hold, reason: str) -> None:
    """Record a failure of a run that cannot do so itself, unless it ended otherwise.

    Raises:
        UserError: the folder cannot be written to.
    """
    submission = hold.submission
    assert submission is not None
    if folder.state != "unfinished":
        return
    if not folder.has_config:
        runs = submission.tasks[submission.task_of[folder.name]]
        folder.write_config(next(run["asked"] for run in runs if run["name"] == folder.name))
    folder.fail("failed", reason, log=submission.tail(hold.task))


def bury_dead(submission: Submission, pid: int, reason: str) -> None:
    """Record the failure of what a process of this host was training when it died."""
    leases = Leases(submission.out)
    held = {
        run: lease
        for run, lease in leases.all().items()
        if lease.trains and lease.owner.process.is_here and lease.owner.process.pid == pid
    }
    with leases.owner(Owner()) as mine:
        for run in mine.take(held, held):
            bury(Folder(submission.out / run), Hold(held[run], "gone", "", submission), reason)
            mine.release([run])
