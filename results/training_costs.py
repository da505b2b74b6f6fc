"""What training cost and where it ended: one line a run, or a column beside the scores."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.registry import GENERATOR, METRICS
from results.aggregate import label, printable
from results.runs import rows_of
from results.store import Folder


class Cost(NamedTuple):
    """A cost of training: what it is called with its unit, and how much is one of the unit."""

    title: str
    unit: float


COSTS = {
    "seconds": Cost("training seconds", 1.0),
    "flops": Cost("training TFLOPs", 1e12),
    "images": Cost("thousand images seen", 1e3),
}
"""By the name under which a run records it; TFLOPs are 10^12 operations, not a rate."""
LEAST_SECONDS = 0.01
"""Of a method that is not trained by steps: below that it was not fitted either."""
NOT_TRAINED, NOT_RECORDED = "it is not trained by steps", "it was trained before runs recorded this"


def cost(train: Mapping[str, Any], steps: int, x: str) -> float:
    """Return a cost of a run, a name of `COSTS`, in its unit; NaN if it has none, or recorded none.

    Args:
        train: what the run recorded of its training.
        steps: of the training.
        x: the cost.
    """
    found = train.get(x)
    if found is None or (steps == 0 and found < LEAST_SECONDS):
        return math.nan
    return float(found) / COSTS[x].unit


def with_cost(frame: pd.DataFrame, out: Path, x: str) -> pd.DataFrame:
    """Return `tidy` with a row more of each finished run, whose value is a cost of `COSTS`."""
    done = frame[frame["state"] == "done"].drop_duplicates("folder")
    paid = zip(_trains(out, done["folder"]), done["steps"], strict=True)
    values = pd.Series([cost(train, steps, x) for train, steps in paid], done.index, float)
    why = done["steps"].map(lambda steps: NOT_RECORDED if steps else NOT_TRAINED)
    more = done.assign(metric=COSTS[x].title, value=values, protocol="", images=0)
    more["reason"] = why.where(values.isna(), "")
    return pd.concat([frame, more.assign(seconds=math.nan)], ignore_index=True)


def trained(out: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per finished run of `tidy`.

    Columns: dataset, method, seed, steps, settings, and what the run recorded of its training:
    `seconds`, `steps_per_second`, `images`, `flops`, `parameters`, and the last means of its losses
    and of what the method logs (`L_I`, `kl`, ... in nats). The seconds of other stages follow
    (`encode_seconds`, ...), and those of each metric (`mig_seconds`, ...).
    """
    done = frame[frame["state"] == "done"].drop_duplicates("folder").set_index("folder")
    train = pd.DataFrame([*_trains(out, done.index)], done.index)
    last = train.columns.str.endswith("_seconds")
    train = train[[*train.columns[~last], *train.columns[last]]]
    columns = ["dataset", "method", "seed", "steps", "settings"]
    scoring = _scoring_seconds(frame).reindex(done.index)
    return done[columns].join(train).join(scoring).reset_index(drop=True)


def _trains(out: Path, names: "pd.Series[str] | pd.Index[str]") -> Iterator[dict[str, Any]]:
    """Yield what finished runs recorded of their training."""
    for name in names:
        yield (Folder(out / name).scores or {"train": {}})["train"]


def _scoring_seconds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what each metric took, by folder; its rows all say what they took together."""
    metric = {
        row: name + (GENERATOR if row.endswith(GENERATOR) else "")
        for name in METRICS.names()
        for row in rows_of(name)
    }
    names = frame["metric"].map(metric).fillna(frame["metric"]) + "_seconds"
    scored = frame.assign(name=names)[frame["metric"] != ""]
    return scored.pivot_table("seconds", "folder", "name", "first")


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
        return f"{cell:,.0f}" if 1000 <= abs(cell) < 1e9 else f"{cell:.4g}"
    return printable(str(cell))
