"""Who holds each run, and whether that holder is dead: the one place that says so.

The leases say who took a run, Slurm and the table of processes whether that job or process is still
there. What a query does not show is not dead: it may be on a cluster that was not queried. A holder
is dead when Slurm has its job on record as ended, when its process on this host ended, or when it
no longer renews its lease.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmark.cluster import slurm
from benchmark.cluster.leases import Lease, Leases, Owner
from benchmark.cluster.submission import Submission, submissions
from benchmark.registry import UserError
from results.state import RunState
from results.store import Folder

Place = Literal["queued", "running", "dead"]
Queue = Mapping[tuple[str, int], slurm.Record] | None
Accounted = Callable[[str, str, str], Mapping[int, slurm.Record]]
NOT_SHOWN = "its Slurm does not show job {}; if that is over, remove the run's files in .leases"


@dataclass(frozen=True)
class Holder:
    """Who holds a run.

    Attributes:
        lease: the run's lease.
        place: queued: it waits for its job; running: it is trained; dead: nobody is there any more.
        why: why it waits or who trains it. Of a dead holder, why the run failed; "" if it may
            simply be done again.
        submission: what it was submitted with, if it was.
    """

    lease: Lease
    place: Place
    why: str = ""
    submission: Submission | None = None

    @property
    def state(self) -> RunState | None:
        """The state of the run; None if its folder says that."""
        if self.place != "dead":
            return RunState(self.lease.run, self.place, self.why)
        return RunState(self.lease.run, "failed", self.why) if self.why else None


def find(out: Path) -> dict[str, Holder]:
    """Return who holds what among the runs in `out`; nothing is changed.

    Raises:
        UserError: the leases cannot be read.
    """
    # In this order: a job that ends in between has given its leases back, and whoever takes one of
    # these now will fail; a job that is submitted in between says so before it is in the queue.
    leases = Leases(out).all().values()
    named = {lease.owner.submission for lease in leases} - {""}
    known = {one.id: one for one in submissions(out) if one.id in named} if named else {}
    queues, accounted = _queues(known.values()), cache(slurm.accounted)
    found: dict[str, Holder] = {}
    begun: dict[tuple[str, int], list[Lease]] = defaultdict(list)
    for lease in leases:
        if lease.trains:
            begun[lease.owner.submission, lease.owner.task].append(lease)
    for lease in leases:
        submission = known.get(lease.owner.submission)
        if submission is None or submission.options.on == "local":
            found[lease.run] = _local(lease, submission)
        else:
            of_job = begun[submission.id, _task(lease, submission)]
            queue = queues[submission.clusters]
            found[lease.run] = _slurm(lease, of_job, submission, queue, accounted)
    return found


def _task(lease: Lease, submission: Submission) -> int:
    """Return the task of a run; -1 if it is not written down yet."""
    return lease.owner.task if lease.trains else submission.task_of.get(lease.run, -1)


def _queues(submissions: Iterable[Submission]) -> dict[str, Queue]:
    """Return the queues of the clusters that were submitted to."""
    names: dict[str, set[str]] = {}
    for one in submissions:
        if one.options.on == "slurm":
            arrays = {one.array(task)[0] for task in range(len(one.tasks))}
            names.setdefault(one.clusters, set()).update(arrays)
    return {clusters: slurm.queue(arrays, clusters) for clusters, arrays in names.items()}


def _local(lease: Lease, submission: Submission | None) -> Holder:
    """Return the holder of a run of this process, of another `run`, or of local processes."""
    if lease.owner.submission and submission is None:
        return Holder(lease, "dead")  # the record of its submission is lost
    who = f"process {lease.owner.process.pid} on {lease.owner.process.host}"
    if submission is None:  # one that was killed is continued by the same command
        return Holder(lease, "running", who) if lease.owner_seems_alive else Holder(lease, "dead")
    if lease.trains and lease.owner_seems_alive:
        return Holder(lease, "running", who, submission)
    if lease.trains:
        return Holder(lease, "dead", f"its process ({who}) died", submission)
    workers = submission.workers or (submission.submitter,)
    there = any(process.seems_alive(submission.heartbeat) for process in workers)
    return Holder(lease, "queued" if there else "dead", "", submission)


def _slurm(
    lease: Lease,
    begun: Sequence[Lease],
    submission: Submission,
    queue: Queue,
    accounted: Accounted,
) -> Holder:
    """Return the holder of a run that a job of Slurm does; `begun` are those that it trains."""
    place: Place = "running" if lease.trains else "queued"
    if queue is None or submission.cluster != slurm.site().cluster:
        return Holder(lease, place, "its Slurm does not answer", submission)
    task = _task(lease, submission)
    name, index = submission.array(task)
    record = queue.get((name, index))
    job = next((one.owner.job for one in begun if one.owner.job), "") or submission.job(task)
    job = job or (record.job if record else "")
    if record is None and not job:
        there = submission.submitter.seems_alive(lease.heartbeat)
        where: Place = "queued" if there else "dead"
        return Holder(lease, where, "being submitted" if there else "", submission)
    if record is None:
        record = accounted(job.partition("_")[0], name, submission.clusters).get(index)
    # While none of its runs has begun, nobody can tell whether a job that is not shown is dead.
    if record is None and (not begun or any(one.owner_seems_alive for one in begun)):
        return Holder(lease, place, NOT_SHOWN.format(job), submission)
    if record is None or record.ended:
        why = _failure(lease, begun, job, "no word of how" if record is None else str(record))
        return Holder(lease, "dead", why, submission)
    if record.runs:
        return Holder(lease, place, f"job {record.job}", submission)
    return Holder(lease, "queued", f"job {record.job}: {record.reason or record.state}", submission)


def _failure(lease: Lease, begun: Sequence[Lease], job: str, how: str) -> str:
    """Return why a run failed whose job ended; "" of one whose turn had not come."""
    if lease.trains:
        return f"job {job} ended: {how}"
    return "" if begun else f"job {job} ended before it began: {how}"


def release_dead(out: Path) -> dict[str, Holder]:
    """Free the runs whose holders are dead, and record failures; return the other holders.

    A run that was being trained by a job failed, with the reason that can be found. One that still
    waited for its turn is free again, unless its job died before it did anything.

    Raises:
        UserError: the leases cannot be read or written.
    """
    found = find(out)
    _release(out, {run: holder for run, holder in found.items() if holder.place == "dead"})
    return {run: holder for run, holder in found.items() if holder.place != "dead"}


def current(out: Path) -> dict[str, Holder]:
    """Return what `release_dead` does; where nothing can be written, what `find` does."""
    try:
        return release_dead(out)
    except UserError:
        return find(out)


def release_process(submission: Submission, pid: int, reason: str) -> None:
    """Record the failure of what a process of this host was training when it died."""
    dead = {
        run: Holder(lease, "dead", reason, submission)
        for run, lease in Leases(submission.out).all().items()
        if lease.trains and lease.owner.process.is_here and lease.owner.process.pid == pid
    }
    _release(submission.out, dead)


def _release(out: Path, dead: Mapping[str, Holder]) -> None:
    if not dead:
        return
    seen = {run: holder.lease for run, holder in dead.items()}
    with Leases(out).owner(Owner()) as own:
        for run in own.take(seen, seen):
            holder = dead[run]
            if holder.submission and holder.why and Folder(out / run).state == "unfinished":
                task = _task(holder.lease, holder.submission)
                holder.submission.fail(run, holder.why, holder.submission.tail(task))
            own.release([run])
