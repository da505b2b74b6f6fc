"""What training cost and where it ended: one line a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from results.aggregate import label, printable
from results.frame import settings_text
from results.store import Folder


def trained(out: Path, names: list[str]) -> pd.DataFrame:
    """Return a row per finished run among the folders `names` in `out`.

    Columns: dataset, method, settings, seed, steps, and what the run recorded of its training:
    `seconds`, `steps_per_second`, `parameters`, and the last means of its losses and of what the
    method logs (`L_I`, `kl`, ... in nats).
    """
    return pd.DataFrame(_row(Folder(out / name)) for name in names if _done(Folder(out / name)))


def _done(folder: Folder) -> bool:
    return folder.state == "done"


def _row(folder: Folder) -> dict[str, Any]:
    run, scores = folder.asked["run"], folder.scores or {"train": {}}
    row = {name: run[name] for name in ("dataset", "method", "seed", "steps")}
    return {**row, "settings": settings_text(run["settings"]), **scores["train"]}


def rich_trained(frame: pd.DataFrame) -> Iterator[Table]:
    """Yield a table per data set and method: a line per quantity, a column per run."""
    for (dataset, method), runs in frame.groupby(["dataset", "method"]):
        found = runs.drop(columns=["dataset", "method"]).dropna(axis=1, how="all")
        title = f"{dataset} {label(str(method))}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False)
        for name in found.columns:
            table.add_row(Text(printable(str(name))), *(Text(_text(c)) for c in found[name]))
        yield table


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return printable(str(cell))
