"""The printed table: per data set, methods x metrics over seeds, and all that is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from results.rows import as_json as as_json
from results.rows import read_csv as read_csv
from results.rows import tidy as tidy
from results.rows import write_csv as write_csv
from results.summary import (
    LINE,
    REFERENCES,
    Record,
    Signs,
    differences,
    label,
    printable,
    records,
    usual_asked,
    usual_signs,
    wrapped,
)
from results.summary import summary as summary


@dataclass(frozen=True)
class _Line:
    """What is printed of one configuration: texts, and a cell per metric."""

    name: str
    sees: str
    codes: str
    seeds: str
    reference: bool
    cells: dict[str, str]


@dataclass(frozen=True)
class _Column:
    head: str
    cells: list[str]
    number: bool = False
    is_metric: bool = False

    @property
    def width(self) -> int:
        """Terminal columns, with the gap to the next one."""
        return 2 + max(len(part) for text in (self.head, *self.cells) for part in text.split("\n"))


def rich_tables(frame: pd.DataFrame, width: int = 100) -> list[RenderableType]:
    """Return what to print of `tidy`: per data set a table, its footnotes and its failed runs.

    Args:
        frame: what `tidy` returned.
        width: columns of the terminal; more metrics than fit go into further tables below.
    """
    lines = summary(frame)
    return [
        _dataset(str(name), lines[lines["dataset"] == name], frame[frame["dataset"] == name], width)
        for name in sorted(frame["dataset"].unique(), key=lambda name: (name == "", name))
    ]


def _dataset(name: str, lines: pd.DataFrame, rows: pd.DataFrame, width: int) -> RenderableType:
    if not name:
        return Group(Text("runs that cannot be read"), *_missing_runs(rows))
    usual, scored_as = usual_asked(lines), usual_signs(lines)
    notes: dict[str, int] = {}
    groups = lines.groupby(LINE, dropna=False, sort=False)
    printed = [_line(records(group), usual, scored_as, notes) for _, group in groups]
    title = f"{name}: budget {usual['budget']}, {usual['steps']:,} steps, {usual['precision']}"
    tables = _tables(printed, width)
    return Group(
        Text(printable(title), "bold"),
        *tables,
        *_footnotes(lines, notes),
        *_missing_runs(rows),
        Text(),
    )


def _line(rows: list[Record], usual: Record, scored_as: Signs, notes: dict[str, int]) -> _Line:
    first = rows[0]
    asked = first["seeds"] + first["failed"] + first["unfinished"]
    name = [label(first["method"], first["settings"]), *differences(rows, usual, scored_as)]
    return _Line(
        wrapped("\n".join(map(printable, name)), 30).replace("\n", "\n  "),
        printable(first["sees"]),
        printable(first["representation"]),
        f"{asked}" if asked == first["seeds"] else f"{first['seeds']}/{asked}",
        first["method"] in REFERENCES,
        {row["metric"]: _cell(row, notes) for row in rows if row["metric"]},
    )


def _cell(row: Record, notes: dict[str, int]) -> str:
    mark = ""
    if row["na"] > 0:
        why = printable(row["reason"]) or "no reason given"
        seeds = f"{row['na']} of {row['na'] + row['n']} seeds: " if row["n"] else ""
        mark = f" ({notes.setdefault(seeds + why, len(notes) + 1)})"
    if row["n"] == 0:
        return f"-{mark}"
    spread = "" if row["n"] == 1 else f" ±{_number(row['std']).removeprefix('0')}"
    return f"{_number(row['mean'])}{spread}{mark}"


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def _tables(lines: Sequence[_Line], width: int) -> Iterator[Table]:
    """Yield tables of as many metrics as fit into `width`, at least one each."""
    name = _Column("method", [line.name for line in lines])
    told = [
        name,
        _Column("sees", [line.sees for line in lines]),
        _Column("codes", [line.codes for line in lines]),
        _Column("seeds", [line.seeds for line in lines], number=True),
    ]
    rule = sum(not line.reference for line in lines)
    for metric in sorted({metric for line in lines for metric in line.cells}):
        cells = [line.cells.get(metric, "") for line in lines]
        head = wrapped(printable(metric).replace("_", "_ "), 13).replace("_ ", "_")
        column = _Column(head, cells, number=True)
        if sum(each.width for each in told) + column.width >= width and told[-1].is_metric:
            yield _table(told, rule)
            told = [name]
        told.append(replace(column, is_metric=True))
    yield _table(told, rule)


def _table(columns: Sequence[_Column], rule: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(Text(column.head), justify=justify, no_wrap=column.number)
    for index, cells in enumerate(zip(*(column.cells for column in columns), strict=True), start=1):
        table.add_row(*map(Text, cells), end_section=index == rule)
    return table


def _footnotes(lines: pd.DataFrame, notes: dict[str, int]) -> Iterator[Text]:
    if (lines["n"] > 1).any():
        yield Text("mean ± standard deviation over seeds", style="dim")
    for why, number in notes.items():
        yield Text(f"({number}) {why}")


def _missing_runs(rows: pd.DataFrame) -> Iterator[Text]:
    """Yield a line for each state and reason of the runs that are not done."""
    told: dict[tuple[str, ...], list[int]] = {}
    for run in records(rows[rows["state"] != "done"].drop_duplicates("folder")):
        who = label(run["method"], run["settings"]) if run["method"] else run["folder"]
        seeds = told.setdefault((who, run["state"], run["reason"]), [])
        seeds.extend([] if pd.isna(run["seed"]) else [run["seed"]])
    for (who, state, reason), seeds in told.items():
        count = f", seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"
        text = f"{who}{count if seeds else ''}: {state}{f': {reason}' if reason else ''}"
        yield Text(printable(text), style="yellow" if state == "unfinished" else "red")
