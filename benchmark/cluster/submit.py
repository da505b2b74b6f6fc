"""`run --on slurm` or `local`: take the runs that nobody has, and hand them out as jobs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import ROOT
from benchmark.cluster import slurm
from benchmark.cluster.job import WITH_STDIN
from benchmark.cluster.leases import Held, Leases, Owner
from benchmark.cluster.processes import Process, process
from benchmark.cluster.submission import Submission
from benchmark.comparison import Comparison
from benchmark.config.applicable import check_fits
from benchmark.config.run import Run
from benchmark.registry import UserError
from benchmark.runner import wanted
from datasets import load
from results.atomic import write_text
from results.state import state_of

PLACES = ("slurm", "local", "debug")
MOST_WORKERS = 4


@dataclass(frozen=True)
class How:
    """How runs are handed out.

    Attributes:
        on: slurm, local or debug.
        study: the study that they are of, or "".
        pack: runs a job.
        beside: how many of a job's runs train at once.
        parallel: jobs, or local processes, at once; None for no limit, or what fits this machine.
        retry: whether runs that failed are done again.
        detach: whether jobs go on when the process that submitted them ends, and are not followed.
        options: of sbatch; the last of a name counts.
        setup: lines of shell that a job begins with.
        data_dir: where the user keeps original files.
        device: auto, cpu or cuda.
    """

    on: str
    study: str = ""
    pack: int = 1
    beside: int = 1
    parallel: int | None = None
    retry: bool = False
    detach: bool = False
    options: tuple[tuple[str, str], ...] = ()
    setup: tuple[str, ...] = ()
    data_dir: Path | None = None
    device: str = "auto"


def prepare(runs: Sequence[Run], data_dir: Path | None) -> None:
    """Fetch and pack the data sets, here and once, and see that every method can take its own.

    Raises:
        UserError: a data set is not to be had, or does not fit.
    """
    for name in dict.fromkeys(run.dataset for run in runs):
        check_fits([run for run in runs if run.dataset == name], load(name, data_dir))


def submit(runs: Sequence[Run], asked: Comparison, out: Path, how: How) -> Submission | None:
    """Hand out those of the runs that nobody has taken meanwhile; None if others have them all.

    Raises:
        UserError: a file cannot be written, or Slurm refuses: then the rest is free again.
    """
    site = slurm.site() if how.on == "slurm" else slurm.Site("", sys.maxsize)
    submission = Submission(
        Path(out).resolve(),
        how.on,
        how.study,
        wanted=wanted(asked.scores),
        metrics=asked.scores,
        data_dir=None if how.data_dir is None else str(how.data_dir.resolve()),
        device=how.device,
        beside=how.beside,
        track=asked.track,
        asked=tuple(run.folder(out).name for run in asked.runs),
        cluster=site.cluster,
        clusters=_clusters(dict(how.options)),
        size=site.max_array_size,
    ).write()
    with Leases(submission.out).owner(Owner(submission=submission.id)) as mine:
        taken = _take(runs, submission, mine, how.retry)
        if not taken:
            shutil.rmtree(submission.folder, ignore_errors=True)
            return None
        if how.on == "local":
            write_text(submission.ticket, "")
        submission.write_tasks([[_record(r, out) for r in part] for part in parts(taken, how.pack)])
        start = _start_arrays if how.on == "slurm" else _start_workers
        try:
            return start(submission, how)
        except Refused as refusal:
            first = refusal.tasks * how.pack
            mine.release([run.folder(out).name for run in taken[first:]])
            raise UserError(
                f"{refusal}; {first:,} of {len(taken):,} runs are submitted"
            ) from refusal


def _clusters(options: Mapping[str, str]) -> str:
    """Return to which clusters sbatch submits; its variables count more than a script's options."""
    variables = (os.environ.get("SBATCH_CLUSTERS"), os.environ.get("SLURM_CLUSTERS"))
    return next(filter(None, (*variables, options.get("clusters"), options.get("cluster"))), "")


class Refused(UserError):
    """Slurm does not take an array; so many tasks before it were taken."""

    def __init__(self, why: str, tasks: int) -> None:
        super().__init__(why)
        self.tasks = tasks


def _take(runs: Sequence[Run], submission: Submission, mine: Held, retry: bool) -> list[Run]:
    """Take those runs that nobody holds and that are still left to do."""
    out = submission.out
    by_name = {run.folder(out).name: run for run in runs}
    # Another command may have brought some to their ends since this one looked.
    taken = mine.take(by_name, {})
    left = [name for name in taken if state_of(out / name, submission.wanted).is_left(retry)]
    mine.release(set(taken) - set(left))
    return [by_name[name] for name in left]


def parts(runs: Sequence[Run], size: int) -> Iterator[Sequence[Run]]:
    """Yield the runs of each task."""
    return (runs[i : i + size] for i in range(0, len(runs), size))


def _record(run: Run, out: Path) -> dict[str, Any]:
    name = run.folder(out).name
    return {"name": name, "run": asdict(run), "asked": run.record(run.precision)}


def _start_arrays(submission: Submission, how: How) -> Submission:
    """Submit the tasks as arrays that are as long as the site allows.

    A limit on how many run at once holds for all of them: each waits for the one before it.
    """
    from benchmark.cluster import slurm_arrays  # which takes a moment, and is for Slurm only

    for number in range(submission.number_of_arrays):
        options = dict(how.options)
        if how.parallel is not None and submission.arrays:
            after = f"afterany:{submission.arrays[-1]}"
            options["dependency"] = ",".join(filter(None, (options.get("dependency"), after)))
        try:
            job = slurm_arrays.submit(submission, number, options, how.setup, how.parallel)
            submission = submission.change(arrays=(*submission.arrays, job))
        except UserError as error:
            raise Refused(str(error), number * submission.size) from error
    return submission


def _start_workers(submission: Submission, how: How) -> Submission:
    """Start the local processes; unless detached they end with this one, however it ends.

    They have a session of their own, so that Ctrl-C is for this process only.
    """
    words = [sys.executable, "-u", "-m", "benchmark.cluster.job", str(submission.folder)]
    stdin, end = _stdin(how.detach)
    gpus = _gpus(how.device)
    number = min(how.parallel or len(gpus) or _processors(), len(submission.tasks))
    threads = str(max(1, (os.cpu_count() or 1) // number))
    workers: list[Process] = []
    for i in range(number):
        variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()])}
        variables.setdefault("OMP_NUM_THREADS", threads)
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = gpus[i % len(gpus)]
        with submission.log(i).open("ab") as log:
            worker = subprocess.Popen(
                [*words, str(i), *end],
                env=variables,
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        workers.append(process(worker.pid))
    os.close(stdin)
    return submission.change(workers=tuple(workers))


def _stdin(detach: bool) -> tuple[int, list[str]]:
    """Return what local processes have as standard input, and the word that says what it means.

    It is a pipe that nobody writes to: the system closes its other end when this process is gone.
    """
    if detach:
        return os.open(os.devnull, os.O_RDONLY), []
    reading, writing = os.pipe()
    # By the program that this process becomes: `benchmark.cluster.follow`.
    os.set_inheritable(writing, True)
    return reading, [WITH_STDIN]


def _gpus(device: str) -> list[str]:
    if device == "cpu" or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]


def _processors() -> int:
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // 2))


def _python_path() -> list[str]:
    return [part for part in (os.environ.get("PYTHONPATH"),) if part]
