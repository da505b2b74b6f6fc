"""Scores per method and metric: every seed, means with intervals, floor and ceiling."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.aggregate import REFERENCES, comparable, with_lines, wrapped
from results.figures.base import FIGURES, Picture, estimates, panels, per_dataset
from results.figures.style import method_style
from results.runs import Fact, Runs, without_references

MANY = 500
"""Points of a panel beyond which a PDF holds them as a picture."""


@FIGURES.register("scores", source="", order=1)
def scores(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set on which a method, floor and ceiling aside, has a score."""
    found = runs.frame[runs.frame["dataset"].isin(without_references(runs.frame)["dataset"])]
    yield from per_dataset(
        "scores",
        found,
        "no method has a score",
        lambda dataset, part: (
            f"Scores on {dataset}, a panel per metric, a point per seed. {_means_text(part)}"
        ),
        partial(draw_comparison, facts=runs.facts),
    )


def _means_text(frame: pd.DataFrame) -> str:
    parts = []
    for metric, rows in without_references(frame).groupby("metric"):
        means = rows.groupby("method")["value"].mean()
        texts = [f"{method} {mean:.2f}" for method, mean in means.items()]
        parts.append(f"{metric}: {', '.join(texts)}")
    return "; ".join(parts) + "."


def draw_comparison(frame: pd.DataFrame, facts: Mapping[str, Fact]) -> Figure:
    """Draw the scores on one data set: a panel per metric, a line per configuration.

    Every seed is a point. Three seeds or more have their mean (a bar) and its 95 % bootstrap
    interval (a line). The means of `random` and `truth` are the dashed floor and ceiling. A pair of
    method and metric without a value is absent.
    """
    frame = with_lines(frame)
    methods = without_references(frame)
    metrics, drawn = sorted(methods["metric"].unique()), set(methods["line"])
    places, tall = _places([line for line in frame["line"].cat.categories if line in drawn])
    values = methods.groupby(["metric", "line"], observed=True)["value"].agg(list)
    means = estimates(values.tolist()).set_index(values.index)
    figure, axes = panels(len(metrics), 0.62 + tall, above=0.25, sharey=True)
    axes[0].set_ylim(tall, 0)
    for panel, metric in zip(axes, metrics, strict=True):
        bounds = facts[metric].range if metric in facts else (0.0, 1.0)
        _panel(panel, frame[frame["metric"] == metric], places, means.loc[metric], bounds)
    figure.suptitle(frame["dataset"].iloc[0], fontsize="medium")
    return figure


def _places(lines: Sequence[str]) -> tuple[dict[str, float], float]:
    """Return how far from the top each line is drawn and how tall they are together, in inches."""
    places, top = {}, 0.0
    for line in lines:
        height = 0.11 * (2 + wrapped(line, 28).count("\n"))
        places[line], top = top + height / 2, top + height
    return places, top


def _panel(
    axes: Axes,
    frame: pd.DataFrame,
    places: dict[str, float],
    means: pd.DataFrame,
    bounds: tuple[float, float],
) -> None:
    scored, metric = without_references(frame), str(frame["metric"].iloc[0])
    points = scored.assign(y=scored["line"].map(places).astype(float) + _spread(scored))
    how: dict[str, Any] = {"linestyle": "", "markersize": 3.8, "alpha": 0.85, "zorder": 3}
    how |= {"markeredgecolor": "white", "markeredgewidth": 0.3, "label": "seeds"}
    for method, seeds in points.groupby("method"):
        colour, marker = method_style(str(method))
        how |= {"marker": marker, "color": colour, "rasterized": len(points) > MANY}
        axes.plot(seeds["value"], seeds["y"], **how)
    for line, place in places.items():
        if line in means.index:
            _mean(axes, means.loc[[line]], place)
    axes.set_yticks([*places.values()], [wrapped(line, 28) for line in places])
    axes.set_xlim(*_limits(frame["value"].dropna().tolist(), bounds))
    _references(axes, frame, scored)
    axes.set(xlabel="", ylabel="")
    axes.set_title(metric.replace("_", " "), fontsize="medium", pad=11)
    axes.grid(visible=False, axis="y")


def _spread(scored: pd.DataFrame) -> "pd.Series[float]":
    """Return how far above or below its line each seed's point lies, in inches."""
    grouped = scored.groupby("line", observed=True)["seed"]
    rank, count = grouped.rank(method="first"), grouped.transform("size")
    # In the upper part: the mean and its interval lie below, so that no seed is hidden.
    return (-0.026 + (rank - (count + 1) / 2) / count * 0.09).astype(float)


def _mean(axes: Axes, found: pd.DataFrame, place: float) -> None:
    if found["low"].isna().all():
        return
    height, ends = place + 0.062, found[["low", "high"]].iloc[0].tolist()
    how: dict[str, Any] = {"color": "0.15", "zorder": 4}
    axes.plot(ends, [height, height], linewidth=0.9, label="interval", **how)
    axes.plot(found["mean"], [height], "|", markersize=5, markeredgewidth=1.2, **how)


def _references(axes: Axes, frame: pd.DataFrame, scored: pd.DataFrame) -> None:
    """Draw floor and ceiling as the methods were mostly scored: same protocol, same images."""
    alike = frame[comparable(frame, scored) & frame["value"].notna()]
    means: dict[str, float] = {}
    for method, values in alike.groupby("method"):
        if method in REFERENCES:
            usual = values["line"].mode().iat[0]
            value = values.loc[values["line"] == usual, "value"].mean()
            means[REFERENCES[str(method)]] = float(value)
    for name, mean in means.items():
        axes.axvline(mean, color="0.35", linestyle=(0, (4, 2)), linewidth=0.8, zorder=2, label=name)
    low, high = axes.get_xlim()
    places = {name: (mean - low) / (high - low) for name, mean in means.items()}
    if len(places) == 2 and abs(places["ceiling"] - places["floor"]) < 0.28:
        places = {"floor, ceiling": sum(places.values()) / 2}
    above: dict[str, Any] = {"xytext": (0, 1.5), "textcoords": "offset points", "va": "bottom"}
    above |= {"xycoords": "axes fraction", "fontsize": "x-small", "color": "0.35"}
    for name, place in places.items():
        side = "left" if place < 0.2 else "right" if place > 0.8 else "center"
        axes.annotate(name, (place, 1), ha=side, **above)


def _limits(values: Sequence[float], bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the metric's range, widened by the data, which replace infinite ends."""
    finite = [*values, *(bound for bound in bounds if math.isfinite(bound))]
    low, high = min(finite), max(finite)
    margin = 0.03 * ((high - low) or 1.0)
    return low - margin, high + margin
