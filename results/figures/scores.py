"""Scores per method and metric: every seed, means with intervals, floor and ceiling."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.aggregate import REFERENCES, records, with_lines, wrapped
from results.figures.base import Estimate, NothingToDraw, Picture, estimates, stem
from results.figures.style import DOUBLE, SINGLE, look, paper
from results.study import Study

MANY = 500
"""Points of a panel beyond which a PDF holds them as a picture."""

Ranges = Mapping[str, tuple[float, float]]


def scores(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set on which a method, floor and ceiling aside, has a score."""
    methods = _methods(study.frame)
    if methods.empty:
        raise NothingToDraw("no method has a score")
    ranges = {metric: fact.range for metric, fact in study.facts.items()}
    for dataset, part in methods.groupby("dataset"):
        rows = study.frame[study.frame["dataset"] == dataset]
        yield Picture(
            stem("scores", str(dataset)),
            f"Scores on {dataset}, a panel per metric, a point per seed. {_said(part)}",
            partial(draw_comparison, rows, ranges),
        )


def _said(scored: pd.DataFrame) -> str:
    """Say the means in words."""
    means = scored.groupby(["metric", "method"])["value"].mean().reset_index()
    told: dict[str, list[str]] = {}
    for row in records(means):
        told.setdefault(row["metric"], []).append(f"{row['method']} {row['value']:.2f}")
    return "; ".join(f"{metric}: {', '.join(said)}" for metric, said in told.items()) + "."


def draw_comparison(frame: pd.DataFrame, ranges: Ranges | None = None) -> Figure:
    """Draw the scores on one data set: a panel per metric, a line per configuration.

    Every seed is a point. Three seeds or more have their mean (a bar) and its 95 % bootstrap
    interval (a line). The means of `random` and `truth` are the dashed floor and ceiling. A pair of
    method and metric without a value is absent.
    """
    frame = with_lines(frame)
    methods = _methods(frame)
    metrics, drawn = sorted(methods["metric"].unique()), set(methods["line"])
    means = _means(methods)
    places, tall = _places([line for line in frame["line"].cat.categories if line in drawn])
    across = min(len(metrics), 3)
    down = math.ceil(len(metrics) / across)
    with paper():
        size = (SINGLE if across == 1 else DOUBLE, 0.25 + down * (0.62 + tall))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, sharey=True, squeeze=False)
        panels[0, 0].set_ylim(tall, 0)
        for axes, metric in zip(panels.flat, metrics, strict=False):
            rows, bounds = frame[frame["metric"] == metric], (ranges or {}).get(metric)
            _panel(axes, rows, places, means, bounds)
        for axes in panels.flat[len(metrics) :]:
            axes.remove()
        figure.suptitle(frame["dataset"].iloc[0], fontsize="medium")
    return figure


def _methods(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["value"].notna() & ~frame["method"].isin(list(REFERENCES))]


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
    means: dict[tuple[str, str], Estimate],
    bounds: tuple[float, float] | None,
) -> None:
    scored, metric = _methods(frame), str(frame["metric"].iloc[0])
    points = scored.assign(y=scored["line"].map(places).astype(float) + _spread(scored))
    for method, seeds in points.groupby("method"):
        seen = look(str(method))
        axes.plot(
            seeds["value"],
            seeds["y"],
            linestyle="",
            marker=seen.marker,
            color=seen.colour,
            markersize=3.8,
            markeredgecolor="white",
            markeredgewidth=0.3,
            alpha=0.85,
            zorder=3,
            label="seeds",
            rasterized=len(points) > MANY,
        )
    for line, place in places.items():
        _mean(axes, means.get((metric, line)), place)
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


def _means(scored: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Return mean and interval by metric and line."""
    values = scored.groupby(["metric", "line"], observed=True)["value"].agg(list)
    return dict(zip(values.index, estimates(values.tolist()), strict=True))


def _mean(axes: Axes, found: Estimate | None, place: float) -> None:
    if found is None or math.isnan(found.low):
        return
    mean, height = found.mean, place + 0.062
    ends = [found.low, found.high]
    axes.plot(ends, [height, height], color="0.15", linewidth=0.9, zorder=4, label="interval")
    axes.plot([mean], [height], "|", color="0.15", markersize=5, markeredgewidth=1.2, zorder=4)


def _references(axes: Axes, frame: pd.DataFrame, scored: pd.DataFrame) -> None:
    """Draw floor and ceiling as they were scored most often: same protocol, same images."""
    signs = [*zip(scored["protocol"], scored["images"], strict=True)]
    protocol, images = max(sorted(set(signs)), key=signs.count)
    alike = frame[(frame["protocol"] == protocol) & (frame["images"] == images)]
    means: dict[str, float] = {}
    for method, name in REFERENCES.items():
        values = alike[(alike["method"] == method) & alike["value"].notna()]
        if not values.empty:
            usual = values["line"].mode().iat[0]
            means[name] = float(values.loc[values["line"] == usual, "value"].mean())
    for name, mean in means.items():
        axes.axvline(mean, color="0.35", linestyle=(0, (4, 2)), linewidth=0.8, zorder=2, label=name)
    low, high = axes.get_xlim()
    places = {name: (mean - low) / (high - low) for name, mean in means.items()}
    if len(places) == 2 and abs(places["ceiling"] - places["floor"]) < 0.28:
        places = {"floor, ceiling": sum(places.values()) / 2}
    for name, place in places.items():
        axes.annotate(
            name,
            (place, 1),
            xytext=(0, 1.5),
            xycoords="axes fraction",
            textcoords="offset points",
            horizontalalignment="left" if place < 0.2 else "right" if place > 0.8 else "center",
            verticalalignment="bottom",
            fontsize="x-small",
            color="0.35",
        )


def _limits(values: Sequence[float], bounds: tuple[float, float] | None) -> tuple[float, float]:
    """Return the metric's range, or [0, 1], widened by the data, which replace infinite ends."""
    low, high = bounds or (0.0, 1.0)
    low = min([*values, *([low] if math.isfinite(low) else [])])
    high = max([*values, *([high] if math.isfinite(high) else [])])
    margin = 0.03 * ((high - low) or 1.0)
    return low - margin, high + margin
