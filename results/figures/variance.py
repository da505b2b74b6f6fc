"""Which share of the scores' variance the method, its hyper-parameters and the seed explain.

The question of Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations, 2019, https://arxiv.org/abs/1811.12359, section 5.4.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures.base import FIGURES, NothingToDraw, Picture, panels, stem
from results.figures.style import COLOURS
from results.runs import Runs

SHARES = {"method": (COLOURS[0], ""), "settings": (COLOURS[4], "////"), "seed": ("0.85", "")}
"""Colour and hatching of each source of variance."""


@FIGURES.register("variance", source="https://arxiv.org/abs/1811.12359", order=7)
def variance(runs: Runs) -> Iterator[Picture]:
    """Yield one figure: a panel per data set, a bar per metric."""
    found = shares(runs.scores)
    if found.empty:
        raise NothingToDraw("it needs two configurations, and two seeds of one of them")
    means = ", ".join(f"{name} {found[name].mean():.0%}" for name in SHARES)
    alt = f"Stacked bars: shares of the variance of scores over runs; on average {means}."
    yield Picture(stem("variance"), alt, lambda: draw(found))


def shares(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of the sum of squares of each metric's values over the runs.

    `method`: of the methods' means around the mean of all runs. `settings`: of the means of a
    method's configurations around the method's mean. `seed`: of runs around the mean of their
    configuration. They add up to 1, whatever the number of runs of each; a configuration of one run
    has no seed to vary, and its share counts as the setting's. A metric is left out unless several
    configurations have a value, and one of them two.

    Columns: dataset, metric, method, settings, seed, n (runs).
    """
    rows = []
    for (dataset, metric), part in scores.groupby(["dataset", "metric"], sort=True):
        value = part["value"]
        by_method = value.groupby(part["method"]).transform("mean")
        by_line = value.groupby([part["method"], part["line"]]).transform("mean")
        total = float(((value - value.mean()) ** 2).sum())
        lines = part["line"].nunique()
        if np.ptp(value) == 0 or lines in (1, len(value)):
            continue  # there is nothing to share out, or no seed to vary
        steps = {"method": by_method - value.mean(), "settings": by_line - by_method}
        steps["seed"] = value - by_line
        parts = {name: float((step**2).sum()) / total for name, step in steps.items()}
        rows.append({"dataset": dataset, "metric": metric, **parts, "n": len(value)})
    return pd.DataFrame(rows, columns=["dataset", "metric", *SHARES, "n"])


def draw(found: pd.DataFrame) -> Figure:
    """Draw a bar per metric, of length 1."""
    groups = list(found.groupby("dataset"))
    tallest = max(len(part) for _, part in groups)
    figure, axes = panels(len(groups), 0.45 + 0.17 * tallest, across=2)
    for panel, (dataset, part) in zip(axes, groups, strict=True):
        _bars(panel, part)
        fewest, most = part["n"].min(), part["n"].max()
        number = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        panel.set_title(f"{dataset}, {number} runs", fontsize="medium")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _bars(axes: Axes, part: pd.DataFrame) -> None:
    left = np.zeros(len(part))
    names = part["metric"].str.replace("_", " ").tolist()
    for name, (colour, hatch) in SHARES.items():
        width = part[name].to_numpy()
        how: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        axes.barh(names, width, left=left, height=0.75, label=name, linewidth=0.4, **how)
        left += width
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of the variance over runs")
