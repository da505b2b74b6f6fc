"""Numbers that others published, by their own protocols, never averaged with those of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmark.registry import UserError
from results.aggregate import label, printable
from results.table import Cell, Line, Table

PUBLISHED = Path(__file__).parent / "published.csv"
COLUMNS = ("dataset", "method", "settings", "metric", "value", "spread", "source", "note")


def published(path: Path = PUBLISHED) -> pd.DataFrame:
    """Return the published scores, all columns as text, with as many digits as were printed.

    `value` and `spread` (what stands behind the source's ±) are scaled to 1 where it prints per
    cent; `note` says what there is to know before comparing.

    Raises:
        UserError: the file is missing, or another kind of file.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if tuple(frame.columns) != COLUMNS:
        raise UserError(f"{path} is not a table of published scores")
    return frame


def numbers_with_published(lines: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return `compared` with the published rows of its data sets and metrics below.

    They have a `note` and a `source`, which is "" of runs, and no more than data set, method,
    settings, metric and `mean` beside those.
    """
    counts = {str(name): "Int64" for name in lines.select_dtypes("int")}
    there = found["dataset"].isin(lines["dataset"]) & found["metric"].isin(lines["metric"])
    added = found[there].rename(columns={"value": "mean"}).drop(columns="spread")
    added = added.assign(mean=added["mean"].astype(float), best=False, bold=False)
    both = pd.concat([lines.astype(counts).assign(note="", source=""), added], ignore_index=True)
    return both.astype({"best": bool, "bold": bool})


def with_published(tables: Sequence[Table], found: pd.DataFrame) -> list[Table]:
    """Return the tables with published lines: of the methods and the metrics that are in them."""
    return [_with_published(table, found[found["dataset"] == table.dataset]) for table in tables]


def _with_published(table: Table, found: pd.DataFrame) -> Table:
    methods = {line.method for line in table.lines}
    found = found[found["metric"].isin(table.metrics) & found["method"].isin(methods)]
    if found.empty:
        return table
    footnotes = dict.fromkeys(table.footnotes)
    lines = (*table.lines, *_lines(found, footnotes))
    note = "published: by the protocols of their sources, which are not ours; ± as printed there"
    return replace(table, lines=lines, notes=(*table.notes, note), footnotes=tuple(footnotes))


def _lines(found: pd.DataFrame, footnotes: dict[str, None]) -> Iterator[Line]:
    for (method, settings, source), rows in found.groupby(["method", "settings", "source"]):
        name = (label(str(method), str(settings)),)
        cells = {}
        columns = (rows[column] for column in ("metric", "value", "spread", "note"))
        for metric, value, spread, note in zip(*columns, strict=True):
            why = printable(f"{source}{f': {note}' if note else ''}")
            footnotes.setdefault(why)
            between = f"±{spread.removeprefix('0')}" if spread else ""
            cells[metric] = Cell(value, between, list(footnotes).index(why) + 1)
        yield Line(str(method), name, "", "published", "", "", "published", cells)
