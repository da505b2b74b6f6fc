"""The printed table: per data set, methods x metrics over seeds, and all that is missing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from results.aggregate import summary as summary
from results.aggregate import wrapped
from results.frame import as_json as as_json
from results.frame import read_csv as read_csv
from results.frame import tidy as tidy
from results.frame import write_csv as write_csv
from results.significance import compared
from results.table_content import Cell, Line, Sheet, sheets


@dataclass(frozen=True)
class _Column:
    head: str
    cells: list[Text]
    number: bool = False
    is_metric: bool = False

    @property
    def width(self) -> int:
        """Terminal columns, with the gap to the next one."""
        texts = (self.head, *(cell.plain for cell in self.cells))
        return 2 + max(len(part) for text in texts for part in text.split("\n"))


def rich_tables(
    frame: pd.DataFrame, width: int = 100, higher: Mapping[str, bool] | None = None
) -> list[RenderableType]:
    """Return what to print of `tidy`: per data set a table, its footnotes and its failed runs.

    Args:
        frame: what `tidy` returned.
        width: columns of the terminal; more metrics than fit go into further tables below.
        higher: by metric, whether higher is better; in others nothing is bold.
    """
    return [printed(sheet, width) for sheet in sheets(frame, compared(frame, higher or {}))]


def printed(sheet: Sheet, width: int) -> RenderableType:
    """Return what to print of one data set."""
    footnotes = [f"({number}) {why}" for number, why in enumerate(sheet.footnotes, start=1)]
    return Group(
        Text(sheet.title, "bold"),
        *(_tables(sheet, width) if sheet.lines else ()),
        *(Text(re.sub("^bold:", "* (bold):", note), "dim") for note in sheet.notes),
        *map(Text, footnotes),
        *(
            Text(text, "yellow" if state == "unfinished" else "red")
            for state, text in sheet.missing
        ),
        Text(),
    )


def _tables(sheet: Sheet, width: int) -> Iterator[Table]:
    """Yield tables of as many metrics as fit into `width`, at least one each."""
    lines = sheet.lines
    name = _Column("method", [Text(_name(line)) for line in lines])
    told = [
        name,
        _Column("sees", [Text(line.sees) for line in lines]),
        _Column("codes", [Text(line.codes) for line in lines]),
        _Column("seeds", [Text(line.seeds) for line in lines], number=True),
        _Column("failed", [Text(line.failed) for line in lines], number=True),
    ]
    for metric in sheet.metrics:
        cells = _texts([line.cells.get(metric, Cell()) for line in lines])
        head = wrapped(metric.replace("_", "_ "), 13).replace("_ ", "_")
        column = _Column(head, cells, number=True)
        if sum(each.width for each in told) + column.width >= width and told[-1].is_metric:
            yield _table(told, lines)
            told = [name]
        told.append(replace(column, is_metric=True))
    yield _table(told, lines)


def _name(line: Line) -> str:
    return wrapped("\n".join(line.name), 30).replace("\n", "\n  ")


def _texts(cells: Sequence[Cell]) -> list[Text]:
    """Return a column: where one is bold, all leave a place for the star that says so, too."""
    star = any(cell.bold for cell in cells)
    return [
        Text(_text(cell) + ("*" if cell.bold else " " * star), "bold" if cell.bold else "")
        for cell in cells
    ]


def _text(cell: Cell) -> str:
    note = "" if cell.note is None else f"({cell.note})"
    return " ".join(part for part in (cell.mean, cell.spread, note) if part)


def _table(columns: Sequence[_Column], lines: Sequence[Line]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(Text(column.head), justify=justify, no_wrap=column.number)
    groups = [line.group for line in lines]
    for index, cells in enumerate(zip(*(column.cells for column in columns), strict=True), start=1):
        table.add_row(*cells, end_section=groups[index - 1] != [*groups, groups[-1]][index])
    return table
