"""What became of runs: done, running, queued, failed, diverged or missing, and why."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmark.cluster.holders import Hold
from benchmark.cluster.submission import submissions
from benchmark.registry import UserError
from benchmark.training.time_left import kind, paces
from results.aggregate import printable
from results.state import ANY, STATES, RunState, Wanted, state_of
from results.store import RUN_NAME, Folder

JOB = re.compile(r"job [0-9_]+")
SHOWN, LOG_LINES, SHOWN_RUNNING = 20, 5, 4


def survey(
    names: Iterable[str], out: Path, holds: Mapping[str, Hold], wanted: Wanted = ANY
) -> list[RunState]:
    """Return what became of the runs of these names.

    Args:
        names: of their folders.
        out: the folder that these are in.
        holds: who holds what, of `holders.settle`.
        wanted: the scores that a done run has.
    """
    return [state_of(out / name, wanted, holds.get(name)) for name in names]


def _folders(out: Path) -> set[str]:
    try:
        return {name for name in os.listdir(out) if RUN_NAME.fullmatch(name)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise UserError(f"cannot list runs in {out}: {error.strerror}") from error


def known(out: Path, holds: Iterable[str] = ()) -> list[str]:
    """Return the names of all runs in `out`, those held, and those that were asked for as jobs."""
    asked = {name for submission in submissions(out) for name in submission.asked}
    return sorted(_folders(out) | asked | set(holds))


def counts(states: Iterable[RunState]) -> Counter[str]:
    """Return how many runs are in each state."""
    return Counter(one.state for one in states)


def left(states: Sequence[RunState], out: Path) -> timedelta | None:
    """Return how long until all that runs or waits is done, None if that cannot be said.

    A run takes what its method took on its data set, less the share of its steps that one under way
    has done, and as many run at once as now.
    """
    todo = [s for s in states if s.state in ("running", "queued")]
    at_once = sum(s.state == "running" for s in todo)
    known = paces((s.run for s in states if s.state == "done"), out) if at_once else {}
    if not at_once or any(kind(s.run) not in known for s in todo):
        return None
    totals = [known[kind(s.run)].total * (1 - _share(s, out)) for s in todo]
    return timedelta(seconds=round(sum(totals) / at_once))


def _share(one: RunState, out: Path) -> float:
    """Return the share of its training steps that a run has done; 1/2 of one without steps."""
    if one.state != "running":
        return 0.0
    done, steps = Folder(out / one.run).progress
    return done / steps if steps else 0.5


def under_way(states: Sequence[RunState], out: Path) -> str:
    """Return "betavae on dsprites step 450 of 1,000" of runs that are being trained."""
    names = [one.run for one in states if one.state == "running"]
    steps = {name: Folder(out / name).progress for name in names[:SHOWN_RUNNING]}
    told = [
        f"{kind(name)[1]} on {kind(name)[0]} step {done:,} of {all_:,}"
        for name, (done, all_) in steps.items()
        if all_
    ]
    return "; ".join(told)


def sentence(states: Sequence[RunState]) -> str:
    """Return the counts in one line: "12 runs: 9 done, 3 running"."""
    found = counts(states)
    told = ", ".join(f"{found[state]:,} {state}" for state in STATES if found[state])
    return f"{len(states):,} run{'s' * (len(states) != 1)}: {told or 'none'}"


def shown(states: Sequence[RunState], out: Path) -> RenderableType:
    """Return what to print: a line per method and data set, what failed and why, the time left."""
    table = Table("data set", "method", *STATES, box=box.SIMPLE_HEAD)
    kinds: dict[tuple[str, str], list[RunState]] = {}
    for one in states:
        kinds.setdefault(kind(one.run), []).append(one)
    for (dataset, method), those in sorted(kinds.items()):
        found = counts(those)
        cells = [f"{found[state]:,}" if found[state] else "" for state in STATES]
        table.add_row(printable(dataset), printable(method), *cells)
    time = left(states, out)
    told = sentence(states) + (f"; about {time} left" if time else "")
    steps = under_way(states, out)
    return Group(table, Text(told), *([Text(steps)] if steps else []), *_reasons(states))


def _reasons(states: Sequence[RunState]) -> Iterator[Text]:
    """Yield why runs failed or wait, each reason once, with the end of the first one's log."""
    told: dict[tuple[str, str], list[RunState]] = {}
    for one in states:
        if one.state != "done" and one.why:
            told.setdefault((one.state, JOB.sub("job ...", one.why)), []).append(one)
    for (state, _), those in list(told.items())[:SHOWN]:
        first, more = those[0], f" and {len(those) - 1:,} more" if len(those) > 1 else ""
        colour = "red" if state in ("failed", "diverged") else "dim"
        yield Text(printable(f"{first.run}{more}: {state}: {first.why}"), colour)
        for line in first.log.splitlines()[-LOG_LINES:]:
            yield Text("    " + printable(line), "dim")
    if len(told) > SHOWN:
        yield Text(f"and {len(told) - SHOWN} more reasons; --json has all")


def as_json(states: Sequence[RunState], out: Path) -> str:
    """Return the counts, the time left in seconds, and what became of each run."""
    time = left(states, out)
    record = {
        "counts": {state: counts(states)[state] for state in STATES},
        "seconds_left": None if time is None else time.total_seconds(),
        "runs": [asdict(one) for one in states],
    }
    return json.dumps(record, indent=1)
