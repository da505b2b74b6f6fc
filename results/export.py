"""Tables as files; the suffix says which kind."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.registry import UserError
from results.files import written
from results.formats import latex, markdown
from results.frame import write_csv
from results.table_content import Sheet

TYPESET = {".md": markdown, ".tex": latex}
NUMBERS = (".csv", ".parquet")
SUFFIXES = (*NUMBERS, *TYPESET)


def suffix(path: Path, known: Sequence[str] = SUFFIXES) -> str:
    """Return the suffix of `path`; UserError if no such file is ever written."""
    if path.suffix.lower() not in known:
        raise UserError(f"cannot write {path}: its suffix must be one of {', '.join(known)}")
    return path.suffix.lower()


def write_table(path: Path, sheets: Sequence[Sheet], numbers: pd.DataFrame) -> None:
    """Write a table as it is printed (.md, .tex), or its `numbers` (.csv, .parquet)."""
    kind = suffix(path)
    if kind in NUMBERS:
        write_rows(path, numbers)
        return
    with written(path) as temporary:
        temporary.write_text(TYPESET[kind](sheets), encoding="utf-8")


def write_rows(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as CSV or Parquet; UserError for another suffix."""
    if suffix(path, NUMBERS) == ".csv":
        write_csv(path, frame)
        return
    with written(path) as temporary:
        frame.to_parquet(temporary, index=False)


def with_published(lines: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return `compared` with the published rows of its data sets and metrics below.

    They have a `note` and a `source`, which is "" of ours, and no more than data set, method,
    settings, metric and `mean` beside those.
    """
    counts = {str(name): "Int64" for name in lines.select_dtypes("int")}
    there = found["dataset"].isin(lines["dataset"]) & found["metric"].isin(lines["metric"])
    theirs = found[there].rename(columns={"value": "mean"}).drop(columns="spread")
    theirs = theirs.assign(mean=theirs["mean"].astype(float), best=False, bold=False)
    both = pd.concat([lines.astype(counts).assign(note="", source=""), theirs], ignore_index=True)
    return both.astype({"best": bool, "bold": bool})
