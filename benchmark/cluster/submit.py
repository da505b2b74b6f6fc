"""`run --on slurm` or `local`: submit the runs that nobody has as jobs, and follow them."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark import comparison, disk
from benchmark.cluster import follow, slurm
from benchmark.cluster.job import WITH_STDIN
from benchmark.cluster.leases import Leases, Owner, OwnLeases, Process, process
from benchmark.cluster.liveness import current, release_dead
from benchmark.cluster.status import sentence
from benchmark.cluster.submission import JobOptions, Submission
from benchmark.comparison import Comparison
from benchmark.config.run import Run
from benchmark.registry import UserError, unknown
from benchmark.training import time_left
from results.state import state_of
from results.terminal import console

PLACES = ("slurm", "local", "debug")
MOST_WORKERS = 4


def run(planned: Comparison, out: Path, options: JobOptions, *, dry_run: bool, json: bool) -> int:
    """Submit what is left and nobody holds, and follow it; return how many runs failed.

    Args:
        planned: the runs.
        out: the folder of run folders.
        options: how they are submitted.
        dry_run: only say what would be submitted.
        json: print the table as JSON.

    Raises:
        UserError: a data set is not to be had, a folder cannot be written to, or Slurm refuses.
    """
    if options.on not in PLACES:
        raise unknown("place in --on", options.on, PLACES)
    if options.on != "slurm" and options.beside > 1:
        raise UserError(
            f"--beside {options.beside} is for jobs of Slurm; --parallel is what you mean"
        )
    comparison.check_folder(out)
    if dry_run:
        _preview(planned, out, options)
        return 0
    states = planned.states(out, release_dead(out))
    print(sentence(states), file=sys.stderr)
    comparison.say_lacking(states)
    if options.on == "debug":
        failed = comparison.run(planned, out, options.data_dir, options.retry)
        comparison.show(planned, out, json)
        return failed
    comparison.prune(planned, states, out)
    todo = planned.left(states, options.retry)
    submission = _submit(todo, planned, out, options) if todo.runs else None
    if options.detach:
        return 0
    if options.on == "local" and submission is not None:
        follow.replace_process(submission, json)
    try:
        ended = follow.follow(planned.names(out), out, planned.wanted)
    except KeyboardInterrupt:
        if options.on == "slurm":
            print(f"detached; the jobs go on: {_how_to_see(out)}", file=sys.stderr)
        raise
    comparison.show(planned, out, json)
    return sum(one.state != "done" or one.lacks_scores for one in ended)


def _preview(planned: Comparison, out: Path, options: JobOptions) -> None:
    """Print what there is to submit, how long it takes, and what disk all runs take."""
    states = planned.states(out, current(out))
    todo = planned.left(states, options.retry)
    print(sentence(states))
    if not todo.runs:
        print("nothing to submit")
        return
    print(f"to submit: {len(todo.runs):,} runs in {-(-len(todo.runs) // options.pack):,} jobs")
    print(time_left.estimate(todo.steps, out))
    for line in disk.lines(planned, out):
        console().print(line)


def _submit(
    todo: Comparison, planned: Comparison, out: Path, options: JobOptions
) -> Submission | None:
    """Submit those of the runs that nobody has taken meanwhile; None if others have them all.

    Args:
        todo: what is left.
        planned: all that the command is about.
        out: the folder of run folders.
        options: how they are submitted.

    Raises:
        UserError: a data set is not to be had or does not fit, a file cannot be written, or Slurm
            refuses: then the rest is free again.
    """
    comparison.load_datasets(todo, options.data_dir)  # fetched and packed here, once
    started = time.monotonic()
    site = slurm.site() if options.on == "slurm" else slurm.Site("", sys.maxsize)
    submission = Submission(
        Path(out).resolve(),
        options,
        wanted=planned.wanted,
        scores=planned.scores,
        track=planned.track,
        keep=planned.keep,
        names=tuple(planned.names(out)),
        cluster=site.cluster,
        clusters=_clusters(options.sbatch),
        size=site.max_array_size,
    ).write()
    with Leases(submission.out).owner(Owner(submission=submission.id)) as own:
        taken = _take(todo.runs, submission, own)
        if not taken:
            shutil.rmtree(submission.folder, ignore_errors=True)
            print("others have taken them all", file=sys.stderr)
            return None
        submission.write_tasks(
            [taken[i : i + options.pack] for i in range(0, len(taken), options.pack)]
        )
        start = _start_arrays if options.on == "slurm" else _start_workers
        submission = start(submission, own)
    where = f"jobs {', '.join(submission.arrays)}" if submission.arrays else "local processes"
    took = f"{len(taken):,} run{'s' * (len(taken) != 1)} in {time.monotonic() - started:.1f} s"
    print(f"submitted {took}: {where}; {_how_to_see(out)}", file=sys.stderr)
    return submission


def _how_to_see(out: Path) -> str:
    return f"`python -m benchmark status --out {shlex.quote(str(out))}` says how they are"


def _clusters(options: Mapping[str, str]) -> str:
    """Return to which clusters sbatch submits; its variables count more than a script's options."""
    variables = (os.environ.get("SBATCH_CLUSTERS"), os.environ.get("SLURM_CLUSTERS"))
    return next(filter(None, (*variables, options.get("clusters"), options.get("cluster"))), "")


def _take(runs: Sequence[Run], submission: Submission, own: OwnLeases) -> list[dict[str, Any]]:
    """Take those runs that nobody holds and that are still left to do; return their records."""
    out, retry = submission.out, submission.options.retry
    by_name = {one.folder(out).name: one for one in runs}
    # Another command may have completed some since this one read their states.
    taken = own.take(by_name, {})
    left = [name for name in taken if state_of(out / name, submission.wanted).is_left(retry)]
    own.release(set(taken) - set(left))
    return [_record(name, by_name[name]) for name in left]


def _record(name: str, run: Run) -> dict[str, Any]:
    return {"name": name, "run": asdict(run), "record": run.record(run.precision)}


def _start_arrays(submission: Submission, own: OwnLeases) -> Submission:
    """Submit the tasks as arrays that are as long as the site allows.

    A limit on how many run at once holds for all of them: each waits for the one before it.
    """
    for first in range(0, len(submission.tasks), submission.size):
        dependency = ""
        if submission.options.parallel is not None and submission.arrays:
            dependency = f"afterany:{submission.arrays[-1]}"
        try:
            job = slurm.submit(submission, first // submission.size, dependency)
            submission = submission.change(arrays=(*submission.arrays, job))
        except UserError as error:
            refused = [run["name"] for task in submission.tasks[first:] for run in task]
            own.release(refused)
            total = len(submission.task_of)
            raise UserError(
                f"{error}; {total - len(refused):,} of {total:,} runs are submitted"
            ) from error
    return submission


def _start_workers(submission: Submission, own: OwnLeases) -> Submission:
    """Start the local processes; unless detached they end with this one, however it ends.

    They have a session of their own, so that Ctrl-C is for this process only.
    """
    options = submission.options
    program = [sys.executable, "-u", "-m", "benchmark.cluster.job", str(submission.folder)]
    stdin, end = _stdin(options.detach)
    gpus = _gpus(options.device)
    processors = os.cpu_count() or 1
    usual = len(gpus) or max(1, min(MOST_WORKERS, processors // 2))
    number = min(options.parallel or usual, len(submission.tasks))
    variables = follow.environment()
    variables.setdefault("OMP_NUM_THREADS", str(max(1, processors // number)))
    workers: list[Process] = []
    for i in range(number):
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = gpus[i % len(gpus)]
        with submission.log(i).open("ab") as log:
            worker = subprocess.Popen(
                [*program, str(i), *end],
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
    """Return what local processes have as standard input, and the option that says what it means.

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
