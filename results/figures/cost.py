"""Scores against what training cost: seconds, operations, or images."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import offset_copy

from results.figures import base
from results.figures.base import FIGURES, Picture, Styles
from results.figures.sweeps import FEW, MANY, tracked
from results.runs import Runs
from results.training_costs import COSTS, cost

KEYS = ["dataset", "method", "line", "metric"]
APART = 4
"""Points between the marks of methods that cost the same."""


@FIGURES.register("cost", source="", order=3.5)
def costs(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: a panel per metric, a point per configuration, over `runs.x`."""
    found, title = over_cost(runs), COSTS[runs.x].title
    _say_machines(runs, found)
    yield from base.per_dataset(
        f"cost-{runs.x}",
        found,
        f"no run with scores recorded its {title}; runs of earlier versions may not",
        lambda dataset, part: (
            f"Scores on {dataset} over {title}, {part['x'].min():.3g} to {part['x'].max():.3g}, a "
            f"panel per metric: {', '.join(sorted(part['method'].unique()))}."
        ),
        partial(draw, title=title),
    )


def over_cost(runs: Runs) -> pd.DataFrame:
    """Return the scores of each configuration over what its training cost.

    Where scores were tracked, there is a row at each step that they were taken at, too: training
    costs the same at every step.

    Columns: dataset, method, line, metric, x (in the unit of `COSTS`, the mean over seeds), final
    (whether it is the score of the trained method), n, mean, low, high (the last two NaN of fewer
    than three seeds), costs and values (every seed's, tuples; costs of final scores alone).
    """
    done = runs.finished
    paid = zip(done["train"], done["steps"], strict=True)
    done = done.assign(cost=[cost(train, steps, runs.x) for train, steps in paid])
    done = done[["folder", "dataset", "line", "steps", "cost"]].dropna()
    scores = runs.scores[[*KEYS, "folder", "value"]].merge(done[["folder", "cost"]], on="folder")
    grouped = scores.groupby(KEYS)
    final = grouped.agg(x=("cost", "mean"), costs=("cost", tuple), values=("value", tuple))
    final = final.reset_index().assign(final=True)
    final = final.join(base.estimates(final["values"].tolist()))
    path = tracked(runs)
    if path.empty:
        return final
    lines = done.groupby(["dataset", "line"])[["steps", "cost"]].mean().reset_index()
    path = path.merge(lines, on=["dataset", "line"]).assign(final=False)
    path["x"] *= path["cost"] / path["steps"]
    return pd.concat([final, path[[*KEYS, "x", "final", "n", "mean", "low", "high", "values"]]])


def _say_machines(runs: Runs, found: pd.DataFrame) -> None:
    """Print on which devices the runs trained, if these are several and seconds are compared."""
    records = [runs.configs[name].get("machine", {}) for name in runs.finished["folder"]]
    devices = sorted({str(record["device"]) for record in records if "device" in record})
    if runs.x == "seconds" and len(devices) > 1 and not found.empty:
        print(f"cost: seconds of different devices: {', '.join(devices)}", file=sys.stderr)


def draw(found: pd.DataFrame, title: str) -> Figure:
    """Draw one data set: every seed a faint point, means with 95 % intervals, tracked as lines."""
    found = found.sort_values(["metric", "x"], kind="stable")
    return base.panel_each(found, "metric", title, base.styles(found), _draw_lines)


def _draw_lines(axes: Axes, found: pd.DataFrame, styles: Styles) -> None:
    _scale(axes, found["x"])
    figure, moved = axes.get_figure(), _moved(found)
    for key, line in found.groupby(["method", "line"]):
        place = offset_copy(axes.transData, figure, x=moved.get(key, 0.0), units="points")  # type: ignore[arg-type]
        path, final = line[~line["final"]], line[line["final"]]
        how = styles[key].line() | {"transform": place}
        axes.plot(path["x"], path["mean"], linewidth=0.9, **how | {"marker": ""})
        seeds = final[["costs", "values"]].explode(["costs", "values"]).astype(float)
        _draw_final(axes, final, seeds, how | {"linestyle": ""})
        # Which Matplotlib does of what is not moved alone.
        axes.update_datalim([*path[["x", "mean"]].to_numpy(float), *seeds.to_numpy()])
    axes.autoscale_view()


def _moved(found: pd.DataFrame) -> dict[Any, float]:
    """Return how far each line is moved, in points: of those that cost the same, none hides one."""
    final = found[found["final"]].set_index(["method", "line"])["x"]
    alike = final.groupby(final.map("{:.2g}".format))
    rank = alike.cumcount() - (alike.transform("size") - 1) / 2
    return (rank * APART).to_dict()


def _draw_final(axes: Axes, final: pd.DataFrame, seeds: pd.DataFrame, how: dict[str, Any]) -> None:
    faint = {"alpha": 0.4 if len(seeds) <= FEW else 0.15, "rasterized": len(seeds) > MANY}
    axes.plot(seeds["costs"], seeds["values"], markersize=2, markeredgewidth=0, **how | faint)
    ends = final["x"], final["low"], final["high"]
    axes.vlines(*ends, color=how["color"], linewidth=0.9, transform=how["transform"])
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.4, "zorder": 3}
    axes.plot(final["x"], final["mean"], markersize=4.5, **how | edge)


def _scale(axes: Axes, xs: "pd.Series[float]") -> None:
    """Scale the axis, by logarithms where costs differ by much."""
    low, high = xs.min(), xs.max()
    if high <= 1.05 * low:
        axes.set_xlim(low / 2, high * 1.5)
    if high >= 8 * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
        # Powers of ten are mathematics to Matplotlib, which is off.
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
