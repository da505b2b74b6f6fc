"""What became of runs: done, running, queued, failed, diverged or missing, and why."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmark.cluster.holders import Hold
from benchmark.cluster.submission import submissions
from benchmark.registry import UserError
from benchmark.training.time_left import kind, paces
from results.aggregate import printable
from results.atomic import scored
from results.store import RUN_NAME, Folder

What = Literal["done", "running", "queued", "failed", "diverged", "missing"]
STATES: tuple[What, ...] = ("done", "running", "queued", "failed", "diverged", "missing")
JOB = re.compile(r"job [0-9_]+")
SHOWN, LOG_LINES, SHOWN_RUNNING = 20, 5, 4


@dataclass(frozen=True)
class Standing:
    """What became of a run.

    Attributes:
        run: the name of its folder.
        state: one of `STATES`.
        why: why it failed, or where it is; "" if there is nothing to say.
        log: the end of what a failed run said.
    """

    run: str
    state: What
    why: str = ""
    log: str = ""


def survey(
    names: Iterable[str],
    out: Path,
    holds: Mapping[str, Hold],
    rows: Collection[tuple[str, str]] = (),
) -> list[Standing]:
    """Return what became of the runs of these names.

    Args:
        names: of their folders.
        out: the folder that these are in.
        holds: who holds what, of `hands.settle`.
        rows: the (metric, protocol) rows that a done run has; none: any will do.
    """
    there = _folders(out)
    return [_standing(name, out, holds.get(name), rows, name in there) for name in names]


def _standing(
    name: str, out: Path, hold: Hold | None, rows: Collection[tuple[str, str]], there: bool
) -> Standing:
    if hold is not None and hold.place != "gone":
        return Standing(name, hold.place, hold.why)
    if hold is not None and hold.why:
        return Standing(name, "failed", hold.why)
    if not there:
        return Standing(name, "missing")
    if rows and scored(out / name).issuperset(rows):
        return Standing(name, "done")
    folder = Folder(out / name)
    state, why = folder.judge()
    if state == "done" and not rows:
        return Standing(name, "done")
    if state in ("unfinished", "done"):
        return Standing(name, "missing", "interrupted; the same command continues it")
    log = "" if state == "broken" else str((folder.failure or {}).get("log", ""))
    return Standing(name, "diverged" if state == "diverged" else "failed", why, log)


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


def counts(standings: Iterable[Standing]) -> Counter[str]:
    """Return how many runs are in each state."""
    return Counter(standing.state for standing in standings)


def left(standings: Sequence[Standing], out: Path) -> timedelta | None:
    """Return how long until all that runs or waits is done, None if that cannot be said.

    A run takes what its method took on its data set, less the share of its steps that one under way
    has done, and as many run at once as now.
    """
    todo = [s for s in standings if s.state in ("running", "queued")]
    at_once = sum(s.state == "running" for s in todo)
    known = paces((s.run for s in standings if s.state == "done"), out) if at_once else {}
    if not at_once or any(kind(s.run) not in known for s in todo):
        return None
    totals = [known[kind(s.run)].total * (1 - _share(s, out)) for s in todo]
    return timedelta(seconds=round(sum(totals) / at_once))


def _share(standing: Standing, out: Path) -> float:
    """Return the share of its training steps that a run has done; 1/2 of one without steps."""
    if standing.state != "running":
        return 0.0
    done, steps = Folder(out / standing.run).progress
    return done / steps if steps else 0.5


def under_way(standings: Sequence[Standing], out: Path) -> str:
    """Return "betavae on dsprites step 450 of 1,000" of runs that are being trained."""
    names = [standing.run for standing in standings if standing.state == "running"]
    steps = {name: Folder(out / name).progress for name in names[:SHOWN_RUNNING]}
    told = [
        f"{kind(name)[1]} on {kind(name)[0]} step {done:,} of {all_:,}"
        for name, (done, all_) in steps.items()
        if all_
    ]
    return "; ".join(told)


def sentence(standings: Sequence[Standing]) -> str:
    """Return the counts in one line: "12 runs: 9 done, 3 running"."""
    found = counts(standings)
    told = ", ".join(f"{found[state]:,} {state}" for state in STATES if found[state])
    return f"{len(standings):,} run{'s' * (len(standings) != 1)}: {told or 'none'}"


def shown(standings: Sequence[Standing], out: Path) -> RenderableType:
    """Return what to print: a line per method and data set, what failed and why, the time left."""
    table = Table("data set", "method", *STATES, box=box.SIMPLE_HEAD)
    kinds: dict[tuple[str, str], list[Standing]] = {}
    for standing in standings:
        kinds.setdefault(kind(standing.run), []).append(standing)
    for (dataset, method), those in sorted(kinds.items()):
        found = counts(those)
        cells = [f"{found[state]:,}" if found[state] else "" for state in STATES]
        table.add_row(printable(dataset), printable(method), *cells)
    time = left(standings, out)
    told = sentence(standings) + (f"; about {time} left" if time else "")
    steps = under_way(standings, out)
    return Group(table, Text(told), *([Text(steps)] if steps else []), *_reasons(standings))


def _reasons(standings: Sequence[Standing]) -> Iterator[Text]:
    """Yield why runs failed or wait, each reason once, with the end of the first one's log."""
    told: dict[tuple[str, str], list[Standing]] = {}
    for standing in standings:
        if standing.state != "done" and standing.why:
            told.setdefault((standing.state, JOB.sub("job ...", standing.why)), []).append(standing)
    for (state, _), those in list(told.items())[:SHOWN]:
        first, more = those[0], f" and {len(those) - 1:,} more" if len(those) > 1 else ""
        colour = "red" if state in ("failed", "diverged") else "dim"
        yield Text(printable(f"{first.run}{more}: {state}: {first.why}"), colour)
        for line in first.log.splitlines()[-LOG_LINES:]:
            yield Text("    " + printable(line), "dim")
    if len(told) > SHOWN:
        yield Text(f"and {len(told) - SHOWN} more reasons; --json has all")


def as_json(standings: Sequence[Standing], out: Path) -> str:
    """Return the counts, the time left in seconds, and what became of each run."""
    time = left(standings, out)
    record = {
        "counts": {state: counts(standings)[state] for state in STATES},
        "seconds_left": None if time is None else time.total_seconds(),
        "runs": [asdict(standing) for standing in standings],
    }
    return json.dumps(record, indent=1)
