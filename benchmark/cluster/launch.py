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
from benchmark.cluster.status import Standing, sentence, survey
from benchmark.cluster.submission import Submission
from benchmark.cluster.submit import PLACES, How
from benchmark.comparison import Comparison
from benchmark.config.run import Run
from benchmark.config.study import find
from benchmark.registry import UserError, unknown
from benchmark.training.time_left import Kind, kind, paces, paces_so_far

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
    rows = submit.wanted(asked.scores)
    standings = survey(names, out, glance(out) if dry_run else settle(out), rows)
    todo = to_do(asked.runs, standings, how.retry)
    if dry_run:
        for line in preview(todo, standings, out, how):
            print(line)
        return 0
    print(sentence(standings), file=sys.stderr)
    if how.on == "debug":
        failed = comparison.run(replace(asked, runs=tuple(todo)), out, how.data_dir)
        comparison.show(asked, out, json)
        return failed
    submission = _submit(todo, asked, out, how)
    if how.detach:
        return 0
    if how.on == "local" and submission is not None:
        follow.replace_process(submission, json)
    try:
        ended = follow.follow(names, out, rows)
    except KeyboardInterrupt:
        if how.on == "slurm":
            print(f"detached; the jobs go on: {_again(out)}", file=sys.stderr)
        raise
    comparison.show(asked, out, json)
    return sum(standing.state != "done" for standing in ended)


def standings(study: str, out: Path) -> list[Standing]:
    """Return what became of the runs of a study; UserError if there is no such study."""
    names = [run.folder(out).name for run in find(study).runs()]
    return survey(names, out, glance(out))


def to_do(runs: Sequence[Run], standings: Sequence[Standing], retry: bool) -> list[Run]:
    """Return the runs that are to be submitted."""
    states = {"missing", "failed"} if retry else {"missing"}
    pairs = zip(runs, standings, strict=True)
    return [run for run, standing in pairs if standing.state in states]


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


def preview(todo: Sequence[Run], standings: Sequence[Standing], out: Path, how: How) -> list[str]:
    """Return the lines of a dry run."""
    jobs = -(-len(todo) // how.pack)
    lines = [sentence(standings)]
    lines.append(f"to submit: {len(todo):,} runs in {jobs:,} jobs" if todo else "nothing to submit")
    if todo:
        lines.append(estimate(todo, standings, out))
    return lines


def estimate(todo: Sequence[Run], standings: Sequence[Standing], out: Path) -> str:
    """Return how long the runs would take, one after another, at the pace of others.

    Those are done ones, and where there is none of a kind those under way.
    """
    kinds = Counter((run.dataset, run.method) for run in todo)
    there = status.known(out)
    known = paces((s.run for s in standings if s.state == "done"), out)
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
