"""`python -m benchmark reproduce`: makes the studies of claims, and says which hold."""

import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmark.claims.base import Expected, Lab
from benchmark.registry import CLAIMS, UserError
from benchmark.training.loop import Damaged, Diverged
from benchmark.training.machine import describe, versions
from results.atomic import written
from results.statistics import interval
from results.terminal import console

REPRODUCED = Path(__file__).resolve().parents[2] / "results" / "reproduced.csv"


@dataclass(frozen=True)
class Row:
    """One quantity of a claim, as `reproduced.csv` holds it.

    Attributes:
        claim, quantity, source: what it is of.
        published: what the source states.
        low, high: the range that counts as reproduced.
        ours: the mean over seeds.
        interval: its 95 % bootstrap interval, of at least three seeds.
        values: of each seed.
        seeds: as they were asked for.
        verdict: `holds` or `does not hold`.
        date, machine, torch: where and when.
    """

    claim: str
    quantity: str
    source: str
    published: str
    low: float
    high: float
    ours: float
    interval: str
    values: str
    seeds: str
    verdict: str
    date: str
    machine: str
    torch: str


def reproduce(names: Sequence[str], seeds: Sequence[int], lab: Lab, to: Path) -> list[Row]:
    """Make each study once per seed, and write its rows to the CSV as soon as they are there."""
    rows: list[Row] = []
    for name in names:
        rows += judged(name, seeds, [_made(name, lab, seed) for seed in seeds], lab)
        keep(to, rows)
    return rows


def _made(name: str, lab: Lab, seed: int) -> dict[str, float]:
    """Return what the study found; no number at all if a training of it diverged."""
    try:
        found: dict[str, float] = CLAIMS[name].value(lab, seed)
    except Diverged as error:
        print(f"{name} seed {seed}: diverged: {error}", file=sys.stderr)
        return dict.fromkeys(CLAIMS[name].facts["expected"], math.nan)
    except Damaged as error:
        raise UserError(str(error)) from error
    return found


def judged(
    name: str,
    seeds: Sequence[int],
    found: Sequence[dict[str, float]],
    lab: Lab,
) -> Iterator[Row]:
    """Yield a row per quantity."""
    entry, about = CLAIMS[name], describe(lab.device)
    for quantity, expected in entry.facts["expected"].items():
        values = [one[quantity] for one in found]
        yield Row(
            name,
            quantity,
            entry.source,
            expected.published,
            expected.low,
            expected.high,
            float(np.mean(values)),
            _between(interval(values)),
            " ".join(f"{value:.4g}" for value in values),
            " ".join(map(str, seeds)),
            verdict(expected, float(np.mean(values))),
            datetime.now(UTC).date().isoformat(),
            f"{about['device']}, {about['threads']} threads",
            versions()["torch"],
        )


def verdict(expected: Expected, value: float) -> str:
    """Return whether a value is what was expected; one that is not a number is not."""
    return "holds" if expected.low <= value <= expected.high else "does not hold"


def _between(found: tuple[float, float] | None) -> str:
    return "" if found is None else f"{found[0]:.4g} to {found[1]:.4g}"


def keep(to: Path, rows: Sequence[Row]) -> None:
    """Put the rows into the CSV, in place of older ones of the same claims.

    Raises:
        UserError: there is another kind of file, or it cannot be written.
    """
    new = {row.claim for row in rows}
    columns = [field.name for field in fields(Row)]
    older = [row for row in stored(to) if row["claim"] not in new]
    every = sorted([*older, *map(asdict, rows)], key=lambda row: str(row["claim"]))
    with written(to) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(every)


def stored(to: Path) -> list[dict[str, Any]]:
    """Return the CSV's rows, as text.

    Raises:
        UserError: it is another kind of file, or cannot be read.
    """
    try:
        with to.open(newline="") as file:
            reader = csv.DictReader(file)
            rows, header = list(reader), reader.fieldnames
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {to}: {error}; give another file to --to") from error
    if header != [field.name for field in fields(Row)]:
        raise UserError(f"{to} is not a table of reproduced claims; give another file to --to")
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the rows."""
    table = Table("claim", "quantity", "published", "ours", "verdict")
    for row in rows:
        ours = f"{row.ours:.4g}" + (f" ({row.interval})" if row.interval else "")
        table.add_row(row.claim, row.quantity.replace("_", " "), row.published, ours, row.verdict)
    console().print(table)


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Return stored rows as a table for a README."""
    lines = [
        "| claim | quantity | published | ours | seeds | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = f"{float(row['ours']):.4g}" + (f" ({row['interval']})" if row["interval"] else "")
        cells = (row["claim"], row["quantity"].replace("_", " "), row["published"], ours)
        lines.append("| " + " | ".join([*cells, row["seeds"], row["verdict"]]) + " |")
    return "\n".join(lines)


def failed(rows: Sequence[Row]) -> bool:
    """Whether a claim does not hold."""
    return any(row.verdict != "holds" for row in rows)
