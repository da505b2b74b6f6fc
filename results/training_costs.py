"""What training cost and where it ended: one line a run."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from results.aggregate import label, printable
from results.store import Folder


def trained(out: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per finished run of `tidy`.

    Columns: dataset, method, seed, steps, settings, and what the run recorded of its training:
    `seconds`, `steps_per_second`, `parameters`, and the last means of its losses and of what the
    method logs (`L_I`, `kl`, ... in nats).
    """
    done = frame[frame["state"] == "done"].drop_duplicates("folder").set_index("folder")
    scores = [Folder(out / name).scores or {"train": {}} for name in done.index]
    train = pd.DataFrame([each["train"] for each in scores], done.index)
    columns = ["dataset", "method", "seed", "steps", "settings"]
    return done[columns].join(train).reset_index(drop=True)


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
