"""The printed table: per data set, methods x metrics over seeds, and all that is missing."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from results.rows import as_json as as_json
from results.rows import read_csv as read_csv
from results.rows import tidy as tidy
from results.rows import write_csv as write_csv

REFERENCES = {"random": "floor", "truth": "ceiling"}
ASKED = ["steps", "budget", "precision"]
CONFIGURATION = ["dataset", "method", "settings", "sees", "representation", *ASKED]
LINE = [*CONFIGURATION, "variant"]

Signs = dict[str, tuple[str, int]]
"""By which protocol, and on how many images, a run was scored: metric -> (protocol, images)."""
Record = dict[str, Any]


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


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, configuration and metric, over the seeds of `tidy`.

    Only like is averaged with like: another data set, method, setting, supervision, representation,
    number of steps, budget or precision is another row, and so is another protocol or number of
    images, which `variant` counts (0, 1, ...). Columns beside those: `seeds` done, `failed` (or
    diverged, or broken), `unfinished`; per metric `n` values, `mean`, `std` (n - 1; NaN for one),
    `min`, `max`, `na` (seeds without a value) and `reason` (why). A configuration without any score
    has one row without a metric.
    """
    frame = frame.assign(variant=_variants(frame))
    runs = frame.drop_duplicates("folder")
    runs = runs.assign(
        seeds=runs["state"] == "done",
        failed=runs["state"].isin(["failed", "diverged", "broken"]),
        unfinished=runs["state"] == "unfinished",
    )
    counts = runs.groupby(LINE, dropna=False)[["seeds", "failed", "unfinished"]].sum()
    counted = counts.reset_index().merge(_cells(frame), how="left", on=LINE)
    absent = {"metric": "", "protocol": "", "reason": "", "n": 0, "na": 0}
    return _sorted(counted.fillna(absent).astype({"n": int, "na": int}))


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


def label(method: str, settings: str = "") -> str:
    """Return how a method is called in tables and figures: "betavae beta=4", "random (floor)"."""
    reference = f" ({REFERENCES[method]})" if method in REFERENCES else ""
    return _printable(f"{method}{reference} {settings}".strip())


def natural(text: str) -> list[tuple[int, float, str]]:
    """Return a sort key in which "beta=10" comes after "beta=4"."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(part), "") if part[:1].isdigit() else (1, 0.0, part) for part in parts]


def _records(frame: pd.DataFrame) -> list[Record]:
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def _variants(frame: pd.DataFrame) -> "pd.Series[int]":
    """Number each configuration's runs so that those of one number agree on every protocol."""
    signs: dict[str, Signs] = {}
    configurations: dict[str, tuple[Any, ...]] = {}
    for row in _records(frame[frame["value"].notna()]):
        signs.setdefault(row["folder"], {})[row["metric"]] = (row["protocol"], row["images"])
        configurations[row["folder"]] = tuple(row[name] for name in CONFIGURATION)
    known: dict[tuple[Any, ...], list[Signs]] = {}
    number = {
        folder: _fit(known.setdefault(configuration, []), signs[folder])
        for folder, configuration in configurations.items()
    }
    return frame["folder"].map(number).fillna(0).astype(int)


def _fit(variants: list[Signs], signs: Signs) -> int:
    for number, known in enumerate(variants):
        if all(known.get(metric, sign) == sign for metric, sign in signs.items()):
            known.update(signs)
            return number
    variants.append(dict(signs))
    return len(variants) - 1


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    scored = frame[frame["metric"] != ""]
    # Those with a value first: they say by which protocol, on how many images.
    scored = scored.sort_values("value", na_position="last", kind="stable")
    grouped = scored.groupby([*LINE, "metric"], dropna=False)
    value = grouped["value"].agg(n="count", mean="mean", std="std", min="min", max="max")
    first = grouped[["protocol", "images"]].first()
    missing = scored[scored["value"].isna()].groupby([*LINE, "metric"], dropna=False)["reason"]
    reasons = missing.agg(na="size", reason=lambda texts: "; ".join(sorted(set(texts) - {""})))
    return first.join(value).join(reasons).reset_index()


def _sorted(lines: pd.DataFrame) -> pd.DataFrame:
    order = {method: rank for rank, method in enumerate(REFERENCES, start=1)}
    keys = [
        (
            *(row["dataset"], order.get(row["method"], 0), row["method"]),
            *(natural(row["settings"]), row["representation"], row["sees"]),
            *(natural(str(row[name])) for name in ASKED),
            *(row["variant"], row["metric"]),
        )
        for row in _records(lines)
    ]
    ranks = sorted(range(len(keys)), key=keys.__getitem__)
    return lines.iloc[ranks].reset_index(drop=True)


def _dataset(name: str, lines: pd.DataFrame, rows: pd.DataFrame, width: int) -> RenderableType:
    if not name:
        return Group(Text("runs that cannot be read"), *_missing_runs(rows))
    usual: Record = {column: lines[column].mode().iat[0] for column in ASKED}
    scored_as = _usual_signs(lines)
    notes: dict[str, int] = {}
    groups = lines.groupby(LINE, dropna=False, sort=False)
    printed = [_line(_records(group), usual, scored_as, notes) for _, group in groups]
    title = f"{name}: budget {usual['budget']}, {usual['steps']:,} steps, {usual['precision']}"
    tables = _tables(printed, width)
    return Group(
        Text(_printable(title), "bold"),
        *tables,
        *_footnotes(lines, notes),
        *_missing_runs(rows),
        Text(),
    )


def _usual_signs(lines: pd.DataFrame) -> Signs:
    counts: dict[str, Counter[tuple[str, int]]] = {}
    for row in _records(lines[lines["n"] > 0]):
        counts.setdefault(row["metric"], Counter())[row["protocol"], row["images"]] += row["n"]
    return {metric: count.most_common(1)[0][0] for metric, count in counts.items()}


def _line(rows: list[Record], usual: Record, scored_as: Signs, notes: dict[str, int]) -> _Line:
    first = rows[0]
    asked = first["seeds"] + first["failed"] + first["unfinished"]
    name = [label(first["method"], first["settings"]), *_differences(rows, usual, scored_as)]
    return _Line(
        "\n  ".join(map(_printable, name)),
        _printable(first["sees"]),
        _printable(first["representation"]),
        f"{asked}" if asked == first["seeds"] else f"{first['seeds']}/{asked}",
        first["method"] in REFERENCES,
        {row["metric"]: _cell(row, notes) for row in rows if row["metric"]},
    )


def _differences(rows: list[Record], usual: Record, scored_as: Signs) -> Iterator[str]:
    """Say what sets a line apart from the title of its table and from the other lines."""
    first = rows[0]
    for column in ASKED:
        # A reference is not trained, so its steps say nothing.
        silent = column == "steps" and first["method"] in REFERENCES
        if first[column] != usual[column] and not silent:
            yield f"{first[column]:,} steps" if column == "steps" else str(first[column])
    for row in rows:
        if row["n"] > 0 and (row["protocol"], row["images"]) != scored_as[row["metric"]]:
            yield f"{row['metric']}: protocol {row['protocol']}, {row['images']:,} images"


def _cell(row: Record, notes: dict[str, int]) -> str:
    mark = ""
    if row["na"] > 0:
        why = _printable(row["reason"]) or "no reason given"
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
        column = _Column(_printable(metric).replace("_", "_\n"), cells, number=True)
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
    for run in _records(rows[rows["state"] != "done"].drop_duplicates("folder")):
        who = label(run["method"], run["settings"]) if run["method"] else run["folder"]
        seeds = told.setdefault((who, run["state"], run["reason"]), [])
        seeds.extend([] if pd.isna(run["seed"]) else [run["seed"]])
    for (who, state, reason), seeds in told.items():
        count = f", seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"
        text = f"{who}{count if seeds else ''}: {state}{f': {reason}' if reason else ''}"
        yield Text(_printable(text), style="yellow" if state == "unfinished" else "red")


def _printable(text: str) -> str:
    """Return `text` on one line, without control characters (a reason can hold anything)."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
