"""What became of runs: done, running, queued, failed, diverged or missing, and why."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmark.cluster.liveness import Holder, current
from benchmark.cluster.submission import submissions
from benchmark.training.time_left import Kind, kind, paces_for
from results.aggregate import printable
from results.state import ANY, STATES, RunState, Wanted, state_of
from results.store import Folder, folders

JOB = re.compile(r"job [0-9_]+")
SHOWN, LOG_LINES, SHOWN_RUNNING = 20, 5, 4


def states(
    names: Iterable[str], out: Path, holders: Mapping[str, Holder], wanted: Wanted = ANY
) -> list[RunState]:
    """Return what became of the runs of these names.

    Args:
        names: of their folders.
        out: the folder that these are in.
        holders: who holds which run.
        wanted: the scores that a done run has.
    """
    held = {run: holder.state for run, holder in holders.items()}
    return [state_of(out / name, wanted, held.get(name)) for name in names]


def states_of_study(study: str, out: Path) -> list[RunState]:
    """Return what became of the runs of a study; UserError if there is no such study."""
    from benchmark.config.study import find  # which imports torch

    names = [run.folder(out).name for run in find(study).runs()]
    return states(names, out, current(out))


def states_of_folder(out: Path) -> list[RunState]:
    """Return what became of all runs in `out`, those held, and those that were submitted."""
    holders = current(out)
    submitted = {name for submission in submissions(out) for name in submission.names}
    names = {folder.name for folder in folders(out)} | submitted | set(holders)
    return states(sorted(names), out, holders)


def time_left(found: Sequence[RunState], out: Path) -> str:
    """Return "about 0:12:00 left" until all that runs or waits is done, "" if that is not known.

    A run takes what its method took on its data set, less the share of its steps that one under way
    has done, and as many run at once as now.
    """
    seconds = seconds_left(found, out)
    return "" if seconds is None else f"about {timedelta(seconds=seconds)} left"


def seconds_left(found: Sequence[RunState], out: Path) -> float | None:
    """Return how many seconds `time_left` says."""
    todo = [one for one in found if one.state in ("running", "queued")]
    at_once = sum(one.state == "running" for one in todo)
    if not at_once:
        return None
    # One that waits has no configuration yet, and is taken to be as long as those that do not.
    progress = [(kind(one.run), *Folder(out / one.run).progress) for one in todo]
    longest: dict[Kind, int] = {}
    for which, _, steps in progress:
        longest[which] = max(steps, longest.get(which, 0))
    known = paces_for(longest.items(), out)
    if longest.keys() - known.keys():
        return None
    seconds = 0.0
    for one, (which, done, steps) in zip(todo, progress, strict=True):
        whole = known[which].seconds(steps or longest[which] or known[which].steps)
        share = (done / steps if steps else 0.5) if one.state == "running" else 0.0
        seconds += whole * (1 - share)
    return float(round(seconds / at_once))


def under_way(found: Sequence[RunState], out: Path) -> str:
    """Return "betavae on dsprites step 450 of 1,000" of runs that are being trained."""
    names = [one.run for one in found if one.state == "running"][:SHOWN_RUNNING]
    texts = []
    for name in names:
        (dataset, method), (done, steps) = kind(name), Folder(out / name).progress
        if steps:
            texts.append(f"{method} on {dataset} step {done:,} of {steps:,}")
    return "; ".join(texts)


def sentence(found: Sequence[RunState]) -> str:
    """Return the counts in one line: "12 runs: 9 done, 3 running"."""
    numbers = Counter(one.state for one in found)
    text = ", ".join(f"{numbers[state]:,} {state}" for state in STATES if numbers[state])
    return f"{len(found):,} run{'s' * (len(found) != 1)}: {text or 'none'}"


def printed(found: Sequence[RunState], out: Path) -> RenderableType:
    """Return what to print: a line per method and data set, what failed and why, the time left."""
    table = Table("data set", "method", *STATES, box=box.SIMPLE_HEAD)
    numbers: dict[Kind, Counter[str]] = defaultdict(Counter)
    for one in found:
        numbers[kind(one.run)][one.state] += 1
    for (dataset, method), of in sorted(numbers.items()):
        cells = [f"{of[state]:,}" if of[state] else "" for state in STATES]
        table.add_row(printable(dataset), printable(method), *cells)
    counted = "; ".join(filter(None, (sentence(found), time_left(found, out))))
    steps = under_way(found, out)
    return Group(table, Text(counted), *([Text(steps)] if steps else []), *_reasons(found))


def _reasons(found: Sequence[RunState]) -> Iterator[Text]:
    """Yield why runs failed or wait, each reason once, with the end of the first one's log."""
    alike: dict[tuple[str, str], list[RunState]] = defaultdict(list)
    for one in found:
        if one.state != "done" and one.why:
            alike[one.state, JOB.sub("job ...", one.why)].append(one)
    for (state, _), those in list(alike.items())[:SHOWN]:
        first, more = those[0], f" and {len(those) - 1:,} more" if len(those) > 1 else ""
        colour = "red" if state in ("failed", "diverged") else "dim"
        yield Text(printable(f"{first.run}{more}: {state}: {first.why}"), colour)
        for line in first.log.splitlines()[-LOG_LINES:]:
            yield Text("    " + printable(line), "dim")
    if len(alike) > SHOWN:
        yield Text(f"and {len(alike) - SHOWN} more reasons; --json has all")


def as_json(found: Sequence[RunState], out: Path) -> str:
    """Return the counts, the time left in seconds, and what became of each run."""
    numbers = Counter(one.state for one in found)
    record = {
        "counts": {state: numbers[state] for state in STATES},
        "seconds_left": seconds_left(found, out),
        "runs": [asdict(one) for one in found],
    }
    return json.dumps(record, indent=1)
