"""The table of each data set: lines, cells, notes; `formats` prints it and writes it to files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from results.aggregate import (
    REFERENCES,
    Record,
    Usual,
    by_line,
    label,
    line_name,
    printable,
    records,
    usual,
)
from results.statistics import FEWEST, pairs_needed

Group = Literal["method", "reference", "published"]
QUICK = (
    "budget quick is a first look, too short for betavae to pass pca (in mig it has by `python -m "
    "benchmark run --methods betavae,pca --steps 30000`) and for InfoGAN's c1 to follow the label "
    "(it does by `python -m benchmark run --methods infogan --datasets mnist --budget paper`)"
)
"""Stands under a table of the quick budget."""


@dataclass(frozen=True)
class Cell:
    """A mean over seeds.

    Attributes:
        mean, spread: as they are written, "0.301" and "[.290, .311]".
        note: the number of its footnote.
        bold: whether it is the best, or not distinguishable from it.
        value, low, high: the numbers; None of a published cell, and where there is none.
    """

    mean: str = ""
    spread: str = ""
    note: int | None = None
    bold: bool = False
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One configuration.

    Attributes:
        method: as it is registered.
        name: what it is called, and whatever sets it apart from the others.
        sees, codes: what supervision it had, and where its codes come from.
        seeds: how many runs are done; "2/3" if there are more.
        failed: how many failed, diverged or are broken.
        group: whether it is a method, floor or ceiling, or published by somebody.
        cells: by metric.
    """

    method: str
    name: tuple[str, ...]
    sees: str
    codes: str
    seeds: str
    failed: str
    group: Group
    cells: dict[str, Cell]

    @property
    def facts(self) -> tuple[str, str, str, str]:
        """What stands in the columns between the name and the metrics."""
        return self.sees, self.codes, self.seeds, self.failed


@dataclass(frozen=True)
class Table:
    """The table of one data set.

    Attributes:
        dataset: its name; "" of runs that cannot be read.
        title: the data set and what most of its lines have in common.
        lines: in the order of the table: methods, floor and ceiling, published ones.
        metrics: the columns.
        notes: what intervals and bold type mean.
        footnotes: the texts of the numbers in cells, from 1.
        missing: each state that is not done, with the runs and the reason.
    """

    dataset: str
    title: str
    lines: tuple[Line, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def cells(self, metric: str) -> list[Cell]:
        """Return the column of a metric; empty cells where a line has none."""
        return [line.cells.get(metric, Cell()) for line in self.lines]

    @property
    def numbered(self) -> list[str]:
        """The footnotes with their numbers."""
        return [f"({number}) {why}" for number, why in enumerate(self.footnotes, start=1)]


def tables(frame: pd.DataFrame, lines: pd.DataFrame) -> list[Table]:
    """Return the tables of `tidy`, one for each data set.

    Args:
        frame: what `tidy` returned.
        lines: what `compared` made of it.
    """
    return [
        _table(str(name), lines[lines["dataset"] == name], frame[frame["dataset"] == name])
        for name in sorted(frame["dataset"].unique(), key=lambda name: (name == "", name))
    ]


def _table(name: str, lines: pd.DataFrame, frame: pd.DataFrame) -> Table:
    missing = tuple(_missing(frame))
    if not name:
        return Table("", "runs that cannot be read", missing=missing)
    usually, footnotes = usual(frame), dict[str, int]()
    filled = tuple(_line(rows, usually, footnotes) for rows in by_line(lines))
    title = f"{name}: {_budget(usually)}, {usually.training['precision']}"
    if lines["version"].nunique() > 1:
        title += f", {usually.training['version'] or 'version not known'}"
    metrics = tuple(sorted({metric for line in filled for metric in line.cells}))
    notes = (*_notes(lines), *([QUICK] if usually.training["budget"] == "quick" else []))
    return Table(name, printable(title), filled, metrics, notes, tuple(footnotes), missing)


def _budget(usually: Usual) -> str:
    """Return what most lines had: "budget quick, 1,000 steps each, 50,000 images scored"."""
    scored = {images for protocol, images in usually.protocols.values() if "/rows=" in protocol}
    text = f"budget {usually.training['budget']}, {usually.training['steps']:,} steps"
    if usually.training["budget"] == "quick":
        text += " of every method at its default learning rate"
    return text + "".join(f", {images:,} images scored" for images in sorted(scored))


def _line(rows: list[Record], usually: Usual, footnotes: dict[str, int]) -> Line:
    first = rows[0]
    total = first["seeds"] + first["failed"] + first["unfinished"]
    return Line(
        first["method"],
        tuple(map(printable, line_name(rows, usually))),
        printable(first["sees"]),
        printable(first["representation"]),
        f"{total}" if total == first["seeds"] else f"{first['seeds']}/{total}",
        f"{first['failed']}",
        "reference" if first["method"] in REFERENCES else "method",
        {printable(row["metric"]): _cell(row, footnotes) for row in rows if row["metric"]},
    )


def _cell(row: Record, footnotes: dict[str, int]) -> Cell:
    note = None
    if row["na"] > 0:
        why = printable(row["reason"]) or "no reason given"
        seeds = f"{row['na']} of {row['na'] + row['n']} seeds: " if row["n"] else ""
        note = footnotes.setdefault(f"{seeds}{why}", len(footnotes) + 1)
    if row["n"] == 0:
        return Cell("-", note=note)
    mean, low, high = row["mean"], row["low"], row["high"]
    if pd.isna(low):
        return Cell(number(mean), "", note, bool(row["bold"]), mean)
    between = f"[{_short(low)}, {_short(high)}]"
    return Cell(number(mean), between, note, bool(row["bold"]), mean, low, high)


def number(value: float) -> str:
    """Return a score as it is written: three digits behind the point, less of large ones."""
    size = abs(value)
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def _short(value: float) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", number(value))


def _notes(lines: pd.DataFrame) -> Iterator[str]:
    """Yield what intervals and bold type mean, and what they cannot of so few seeds."""
    counts = {int(n) for n in lines["n"]} - {0}
    if lines["low"].notna().any():
        yield "mean [95 % bootstrap interval over seeds: BCa, widened as Student's t for few seeds]"
    few = sorted(n for n in counts if FEWEST <= n <= 5)
    for n in few:
        covered = f"{100 - 200 / 2**n:.3g}"
        yield f"of {n} seeds no such interval covers more often than {covered} % of the times"
    for n in sorted(n for n in counts if n < FEWEST):
        yield f"no interval: {'one seed' if n == 1 else f'{n} seeds'} cannot say how sure a mean is"
    if lines["best"].any():
        yield _test(lines[lines["others"] > 0])
    if (lines["best"] & ~lines["bold"]).any():
        yield "a best mean that is not better than the floor is not bold"


def _test(rivals: pd.DataFrame) -> str:
    """Name the test that bold type is of, and those that it cannot test."""
    how = "paired permutation test over common seeds, two-sided, 5 %, Holm over"
    most = int(rivals["others"].max())
    compared_with = f"{most} comparison{'s' if most > 1 else ''}"
    needed = f"it needs {pairs_needed(most)} common seeds"
    untested = rivals[rivals["p"].isna() & ~rivals["best"]]
    if rivals["p"].isna().all():
        return (
            "bold: the best mean only; too few seeds to test others against it "
            f"({how} {compared_with}: {needed})"
        )
    text = f"bold: the best mean, and those not told from it ({how} {compared_with})"
    if untested.empty:
        return text
    names = {label(row["method"], row["settings"]): None for row in records(untested)}
    return f"{text}; not tested, as {needed}: {', '.join(names)}"


def _missing(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield each state that is not done, with the runs and the reason."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for run in records(rows[rows["state"] != "done"].drop_duplicates("folder")):
        who = label(run["method"], run["settings"]) if run["method"] else run["folder"]
        state = "failed" if run["state"] == "broken" else run["state"]  # as `status` says it
        seeds = alike.setdefault((who, state, run["reason"]), [])
        seeds.extend([] if pd.isna(run["seed"]) else [run["seed"]])
    for (who, state, reason), seeds in alike.items():
        numbers = ", ".join(map(str, sorted(seeds)))
        which = f", seed{'s' if len(seeds) > 1 else ''} {numbers}" if seeds else ""
        yield state, printable(f"{who}{which}: {state}{f': {reason}' if reason else ''}")
