"""Learning curves: what methods logged over their training steps."""

from collections.abc import Iterator
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.aggregate import records
from results.figures.base import (
    NothingToDraw,
    Picture,
    legend,
    logs,
    panels,
    stem,
    styles,
    titled,
)
from results.study import Study

SEEDS = 5
"""Runs of a configuration that are read: a study of thousands has as many logs."""
POINTS = 200
"""Points of a curve: more cannot be told apart on paper."""


def curves(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set: a panel per quantity, a curve per configuration."""
    found = learning_curves(study)
    if found.empty:
        raise NothingToDraw("no finished run has a log.csv")
    for dataset, part in found.groupby("dataset"):
        yield Picture(
            stem("curves", str(dataset)),
            f"Learning curves on {dataset}: {', '.join(part['quantity'].unique())} over up to "
            f"{part['step'].max():,} steps of {', '.join(sorted(part['method'].unique()))}.",
            partial(draw, part),
        )


def learning_curves(study: Study) -> pd.DataFrame:
    """Return the curves of each configuration: over the first `SEEDS` runs, mean, low and high.

    Columns: dataset, method, line, quantity (as the method logs it), step, n (runs), mean, low and
    high (of the runs, not an interval).
    """
    runs = study.runs.sort_values("seed", kind="stable").groupby(["dataset", "line"]).head(SEEDS)
    keys = ["dataset", "method", "line", "quantity", "step"]
    told = [
        _thinned(log).assign(**{name: run[name] for name in keys[:3]})
        for run, log in logs(
            records(runs.sort_index()), lambda run: study.folder(run["folder"]).log()
        )
    ]
    if not told:
        return pd.DataFrame(columns=[*keys, "n", "mean", "low", "high"])
    # The methods' own order of quantities: losses first.
    grouped = pd.concat(told).groupby(keys, sort=False)["value"]
    return grouped.agg(n="count", mean="mean", low="min", high="max").reset_index()


def _thinned(log: pd.DataFrame) -> pd.DataFrame:
    """Return a log: step, quantity, value; every so many steps of a long one."""
    steps = log["step"].unique()
    return log[log["step"].isin(steps[:: max(1, len(steps) // POINTS)])]


def draw(found: pd.DataFrame) -> Figure:
    """Draw the curves of one data set; the band is from the lowest run to the highest."""
    quantities = [*dict.fromkeys(found["quantity"])]
    figure, axes = panels(len(quantities), 1.5)
    looks = styles(found)
    for panel, quantity in zip(axes, quantities, strict=True):
        for key, curve in found[found["quantity"] == quantity].groupby(["method", "line"]):
            seen, curve = looks[key], curve.sort_values("step")
            every = max(1, len(curve) // 5)
            how = seen.line() | {"markersize": 3, "markevery": every}
            panel.plot(curve["step"], curve["mean"], linewidth=0.9, **how)
            band = curve["low"], curve["high"]
            panel.fill_between(curve["step"], *band, color=seen.colour, alpha=0.15, lw=0)
        _scale(panel, found[found["quantity"] == quantity])
        titled(panel, quantity)
        panel.set_xlabel("training step")
    figure.suptitle(str(found["dataset"].iloc[0]), fontsize="medium")
    legend(figure, looks.values())
    return figure


def _scale(axes: Axes, curves: pd.DataFrame) -> None:
    """Take logarithms where the first steps would press all others to the ground."""
    if curves["low"].min() > 0 and curves["high"].max() > 20 * curves["mean"].median():
        axes.set_yscale("log")
        # Powers of ten are mathematics to Matplotlib, which is off.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
