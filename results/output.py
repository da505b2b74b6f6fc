"""What commands print and draw of the runs in a folder."""

import sys
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from benchmark.config.parse import seeds as parsed
from benchmark.registry import UserError, unknown
from results.aggregate import REFERENCES
from results.frame import as_json, only, suffix, tidy, write_rows
from results.published import numbers_with_published, published, with_published
from results.runs import Runs, metric_facts, rows_of
from results.significance import compared
from results.store import Folder
from results.table import tables
from results.table_formats import SUFFIXES, printed, write_table
from results.terminal import console
from results.training_costs import rich_trained, trained

FIGURES = ("scores", "traversals")
"""What `run` draws; `plot` draws the others, too."""


def chosen(
    out: Path,
    methods: str | None,
    datasets: str | None,
    metrics: str | None,
    seeds: str | None,
    sees: str | None,
) -> pd.DataFrame:
    """Return the rows of the runs in `out` with these comma-separated names; None keeps all.

    Floor and ceiling stay beside the methods that are named, and beside those of a supervision.

    Raises:
        UserError: there are no runs, or none with such a name.
    """
    frame = tidy(out)
    if frame.empty:
        raise UserError(f"no runs in {out}; `python -m benchmark run` makes some")
    return selected(frame, methods, datasets, metrics, seeds, sees)


def selected(
    frame: pd.DataFrame,
    methods: str | None = None,
    datasets: str | None = None,
    metrics: str | None = None,
    seeds: str | None = None,
    sees: str | None = None,
) -> pd.DataFrame:
    """Return the rows of `tidy` with these comma-separated names; None keeps all.

    Raises:
        UserError: there is none with such a name.
    """
    texts = {"method": methods, "dataset": datasets, "metric": metrics, "sees": sees}
    kept = {column: _names(frame, column, text) for column, text in texts.items()}
    method, supervision = ({name: kept.pop(name)} for name in ("method", "sees"))
    frame = only(frame, {**kept, "seed": _seeds(frame, seeds)})
    named = only(only(frame, method), supervision)
    return beside_references(frame, named["folder"]).reset_index(drop=True)


def beside_references(frame: pd.DataFrame, runs: Collection[str]) -> pd.DataFrame:
    """Return the rows of the runs in these folders, and of floor and ceiling on their data sets."""
    named = frame["folder"].isin(runs)
    found = frame["method"].isin(REFERENCES) & frame["dataset"].isin(frame["dataset"][named])
    return frame[named | found]


def _seeds(frame: pd.DataFrame, text: str | None) -> list[int]:
    """Return the seeds of a text like `0-4` that there are runs of; at least one."""
    known = sorted({int(seed) for seed in frame["seed"].dropna()})
    wanted = [] if text is None else parsed(text)
    if wanted and not {*wanted} & {*known}:
        raise unknown("seed among the runs", str(text), map(str, known))
    return [seed for seed in wanted if seed in known]


def _names(frame: pd.DataFrame, column: str, text: str | None) -> list[str]:
    if text is None:
        return []
    known = sorted({str(name) for name in frame[column].dropna()} - {""})
    found: list[str] = []
    for name in (name.strip() for name in text.split(",")):
        rows = {name, *rows_of(name)} if column == "metric" else {name}
        there = [one for one in known if one in rows]
        if not there:
            raise unknown(f"{column} among the runs", name, known)
        found += there
    return found


def print_trained(frame: pd.DataFrame, out: Path, json: bool) -> None:
    """Print what training cost and where it ended, or that as JSON."""
    found = trained(out, frame)
    if json:
        sys.stdout.write(as_json(found) + "\n")
        return
    for part in rich_trained(found):
        console().print(part)


def print_table(
    frame: pd.DataFrame, json: bool, to: Sequence[Path] = (), with_others: bool = False
) -> None:
    """Print the table, or the rows as JSON, and write the table `to` files.

    Args:
        frame: what `tidy` returned.
        json: whether to print the rows instead.
        to: .csv or .parquet (the table's numbers), .md or .tex (the table as it is printed).
        with_others: whether to add published numbers.

    Raises:
        UserError: a file of another suffix, or one that cannot be written.
    """
    for path in to:
        suffix(path, SUFFIXES)
    if json:
        sys.stdout.write(as_json(frame) + "\n")
    if json and not to:
        return
    lines = compared(frame, directions())
    found = tables(frame, lines)
    if with_others:
        others = published()
        lines, found = numbers_with_published(lines, others), with_published(found, others)
    terminal = console()
    for table in () if json else found:
        terminal.print(printed(table, terminal.width))
    for path in to:
        write_table(path, found, lines)
        print(f"wrote {path}", file=sys.stderr)


def show_runs(
    names: Collection[str], rows: Sequence[str], out: Path, json: bool, tracked: bool
) -> None:
    """Print the table of runs, write CSV and pictures, and print where they are.

    Args:
        names: of their folders in `out`.
        rows: the metrics to print.
        out: the folder of run folders.
        json: whether to print rows instead of the table.
        tracked: whether scores over training steps were requested.
    """
    frame = tidy(out, {"metric": rows})
    frame = frame[frame["folder"].isin(names)].reset_index(drop=True)
    print_table(frame, json)
    if tracked:
        _say_untracked(frame, out)
    write_rows(out / "scores.csv", frame)
    print(f"wrote {out / 'scores.csv'}", file=sys.stderr)
    paths = draw(frame, out, out / "figures", FIGURES)
    for stem, kinds in groupby(paths, key=lambda path: path.with_suffix("")):
        # As a shell reads it: a table above a hundred paths would be out of sight.
        suffixes = ",".join(path.suffix.removeprefix(".") for path in kinds)
        print(f"wrote {stem}.{{{suffixes}}}", file=sys.stderr)


def _say_untracked(frame: pd.DataFrame, out: Path) -> None:
    """Print which methods were not tracked, for want of an encoder or because they were trained."""
    trained = frame[(frame["steps"] > 0) & (frame["method"] != "")].drop_duplicates("folder")
    pairs = zip(trained["method"], trained["folder"], strict=True)
    without = {method for method, name in pairs if not Folder(out / name).tracked.exists()}
    if without:
        why = "trained before, or without an encoder while it trains"
        print(f"no scores over the steps of {', '.join(sorted(without))}: {why}", file=sys.stderr)


def directions() -> dict[str, bool]:
    """Return whether higher is better, by the names of the rows that registered metrics come to."""
    return {row: fact.higher_is_better for row, fact in metric_facts().items()}


def say_broken(frame: pd.DataFrame) -> None:
    """Print which runs cannot be read."""
    for row in frame[frame["state"] == "broken"].drop_duplicates("folder").itertuples():
        print(f"left out: {row.folder}: {row.reason}", file=sys.stderr)


def draw(
    frame: pd.DataFrame, out: Path, to: Path, wanted: Sequence[str], x: str = "seconds"
) -> list[Path]:
    """Write the figures of these names and return their paths.

    Args:
        frame: what `tidy` returned.
        out: the folder of run folders.
        to: where to write.
        wanted: names of figures.
        x: what `cost` has on its axis.
    """
    from results import figures  # which take a second to import, and tables do without

    return figures.draw(Runs(out, frame, x), to, wanted)
