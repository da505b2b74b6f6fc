"""`run --on`: what there is to do, handed out as jobs and followed to its end."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark import comparison
from benchmark.cluster import follow, status, submit
from benchmark.cluster.holders import glance, settle
from benchmark.cluster.status import sentence, survey
from benchmark.cluster.submission import Submission
from benchmark.cluster.submit import PLACES, How
from benchmark.comparison import Comparison
from benchmark.config.run import Run
from benchmark.config.study import find
from benchmark.registry import UserError, unknown
from benchmark.runner import wanted
from benchmark.training.time_left import Kind, kind, paces, paces_so_far
from results.state import RunState

NAMED = 3
NO_TIME = "no time is known until one of a method and data set is done, or has trained for a minute"


def launch(asked: Comparison, out: Path, how: How, *, dry_run: bool, json: bool) -> int:
    """Submit what nobody has done or has in hand, and follow it; return how many runs failed.

    Args:
        asked: the runs.
        out: the folder of run folders.
        how: where jobs run.
        dry_run: only say what would be submitted.
        json: print the table as JSON.

    Raises:
        UserError: a data set is not to be had, a folder cannot be written to, or Slurm refuses.
    """
    if how.on not in PLACES:
        raise unknown("place in --on", how.on, PLACES)
    if how.on != "slurm" and how.beside > 1:
        raise UserError(f"--beside {how.beside} is for jobs of Slurm; --parallel is what you mean")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is not a folder")
    names = [run.folder(out).name for run in asked.runs]
    scores = wanted(asked.scores)
    states = survey(names, out, glance(out) if dry_run else settle(out), scores)
    pairs = zip(asked.runs, states, strict=True)
    todo = [run for run, now in pairs if now.is_left(how.retry)]
    if dry_run:
        for line in preview(todo, states, out, how):
            print(line)
        return 0
    print(sentence(states), file=sys.stderr)
    if how.on == "debug":
        failed = comparison.run(replace(asked, runs=tuple(todo)), out, how.data_dir, how.retry)
        comparison.show(asked, out, json)
        return failed
    submission = _submit(todo, asked, out, how)
    if how.detach:
        return 0
    if how.on == "local" and submission is not None:
        follow.replace_process(submission, json)
    try:
        ended = follow.follow(names, out, scores)
    except KeyboardInterrupt:
        if how.on == "slurm":
            print(f"detached; the jobs go on: {_again(out)}", file=sys.stderr)
        raise
    comparison.show(asked, out, json)
    return sum(one.state != "done" for one in ended)


def states_of_study(study: str, out: Path) -> list[RunState]:
    """Return what became of the runs of a study; UserError if there is no such study."""
    names = [run.folder(out).name for run in find(study).runs()]
    return survey(names, out, glance(out))


def _submit(todo: Sequence[Run], asked: Comparison, out: Path, how: How) -> Submission | None:
    if not todo:
        return None
    submit.prepare(todo, how.data_dir)
    began = time.monotonic()
    submission = submit.submit(todo, asked, out, how)
    if submission is None:
        print("others have taken them all", file=sys.stderr)
        return None
    number = sum(map(len, submission.tasks))
    where = f"jobs {', '.join(submission.arrays)}" if submission.arrays else "local processes"
    took = time.monotonic() - began
    print(
        f"submitted {number:,} run{'s' * (number != 1)} in {took:.1f} s: {where}; {_again(out)}",
        file=sys.stderr,
    )
    return submission


def _again(out: Path) -> str:
    return f"`python -m benchmark status --out {shlex.quote(str(out))}` says how they are"


def preview(todo: Sequence[Run], states: Sequence[RunState], out: Path, how: How) -> list[str]:
    """Return the lines of a dry run."""
    jobs = -(-len(todo) // how.pack)
    lines = [sentence(states)]
    lines.append(f"to submit: {len(todo):,} runs in {jobs:,} jobs" if todo else "nothing to submit")
    if todo:
        lines.append(estimate(todo, states, out))
    return lines


def estimate(todo: Sequence[Run], states: Sequence[RunState], out: Path) -> str:
    """Return how long the runs would take, one after another, at the pace of others.

    Those are done ones, and where there is none of a kind those under way.
    """
    kinds = Counter((run.dataset, run.method) for run in todo)
    there = status.known(out)
    known = paces((s.run for s in states if s.state == "done"), out)
    known |= paces((name for name in there if kind(name) not in known), out)
    lacking = kinds.keys() - known.keys()
    trained = paces_so_far((name for name in there if kind(name) in lacking), out)
    known |= trained
    timed = [(run.steps, known[which]) for run in todo if (which := _kind(run)) in known]
    if not timed:
        return NO_TIME
    hours = sum(steps * pace.step + pace.rest for steps, pace in timed) / 3600
    told = f"about {hours:,.1f} hours of one device as it was measured"
    if trained:
        told += f", of {_named(trained)} training alone"
    if lacking := kinds.keys() - known.keys():
        number = sum(kinds[which] for which in lacking)
        told += f", without {number:,} run{'s' * (number != 1)} of {_named(lacking)}: {NO_TIME}"
    return told


def _kind(run: Run) -> Kind:
    return run.dataset, run.method


def _named(kinds: Collection[Kind]) -> str:
    """Return "vae on toy, gan on toy and 40 more"."""
    names = sorted(f"{method} on {dataset}" for dataset, method in kinds)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
