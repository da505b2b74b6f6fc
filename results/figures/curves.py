"""Learning curves: what methods logged over their training steps."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures import base
from results.figures.base import FIGURES, Picture, Styles
from results.runs import Runs

SEEDS = 5
"""Runs of a configuration that are read: a study of thousands has as many logs."""
POINTS = 200
"""Points of a curve: more cannot be distinguished on paper."""


@FIGURES.register("curves", source="", order=8)
def curves(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: a panel per quantity, a curve per configuration."""
    yield from base.per_dataset(
        "curves",
        learning_curves(runs),
        "no finished run has a log.csv",
        lambda dataset, part: (
            f"Learning curves on {dataset}: {', '.join(part['quantity'].unique())} over up to "
            f"{part['step'].max():,} steps of {', '.join(sorted(part['method'].unique()))}."
        ),
        draw,
    )


def learning_curves(runs: Runs) -> pd.DataFrame:
    """Return the curves of each configuration: over the first `SEEDS` runs, mean, low and high.

    Columns: dataset, method, line, quantity (as the method logs it), step, n (runs), mean, low and
    high (of the runs, not an interval).
    """
    done = runs.finished.sort_values("seed", kind="stable")
    some = done.groupby(["dataset", "line"]).head(SEEDS).sort_index()
    found = base.logs(some, lambda name: runs.folder(name).log(), POINTS)
    if found.empty:
        return found
    # The methods' own order of quantities: losses first.
    grouped = found.groupby(["dataset", "method", "line", "quantity", "step"], sort=False)["value"]
    return grouped.agg(n="count", mean="mean", low="min", high="max").reset_index()


def draw(found: pd.DataFrame) -> Figure:
    """Draw the curves of one data set; the band is from the lowest run to the highest."""
    return base.panel_each(found, "quantity", "training step", base.styles(found), _draw_curves)


def _draw_curves(axes: Axes, found: pd.DataFrame, styles: Styles) -> None:
    for key, curve in found.groupby(["method", "line"]):
        style, curve = styles[key], curve.sort_values("step")
        how = style.line() | {"markersize": 3, "markevery": max(1, len(curve) // 5)}
        axes.plot(curve["step"], curve["mean"], linewidth=0.9, **how)
        band = curve["low"], curve["high"]
        axes.fill_between(curve["step"], *band, color=style.colour, alpha=0.15, lw=0)
    _scale(axes, found)


def _scale(axes: Axes, curves: pd.DataFrame) -> None:
    """Take logarithms where the first steps would press all others to the ground."""
    if curves["low"].min() > 0 and curves["high"].max() > 20 * curves["mean"].median():
        axes.set_yscale("log")
        # Powers of ten are mathematics to Matplotlib, which is off.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
