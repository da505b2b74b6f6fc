"""Figures of a paper's quality: scores of the methods, and traversals of a run's codes."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.registry import UserError
from results.looks import DOUBLE, SINGLE, look, paper, save
from results.rows import settings_text
from results.stats import interval
from results.store import Folder, Traversal
from results.summary import REFERENCES, label, with_lines, wrapped

Ranges = Mapping[str, tuple[float, float]]
GAP = 2
"""Pixels between the images of a traversal."""


def comparison(frame: pd.DataFrame, stem: Path, ranges: Ranges | None = None) -> list[Path]:
    """Write each data set's scores as `<stem>.pdf` and `.png` and return the paths.

    With several data sets the stem goes on with `-<dataset>`. What is drawn: `draw_comparison`.

    Args:
        frame: what `tidy` returned.
        stem: path without suffix.
        ranges: the range of each metric; [0, 1], widened by the data, for one that is not named.

    Raises:
        UserError: no method has a score, or a file cannot be written.
    """
    names = _methods(frame)["dataset"].unique()
    if len(names) == 0:
        raise UserError("there is nothing to draw: no method has a score")
    paths = []
    for name in sorted(names):
        tail = "" if len(names) == 1 else "-" + re.sub(r"[^\w.-]", "_", name)
        figure = draw_comparison(frame[frame["dataset"] == name], ranges)
        paths += save(figure, stem.with_name(stem.name + tail))
    return paths


def drawable(frame: pd.DataFrame) -> bool:
    """Return whether a method, floor and ceiling aside, has a score."""
    return len(_methods(frame)) > 0


def draw_comparison(frame: pd.DataFrame, ranges: Ranges | None = None) -> Figure:
    """Draw the scores on one data set: a panel per metric, a line per configuration.

    Every seed is a point. Three seeds or more have their mean (a bar) and its 95 % bootstrap
    interval (a line). The means of `random` and `truth` are the dashed floor and ceiling. A pair of
    method and metric without a value is absent.
    """
    frame = with_lines(frame)
    methods = _methods(frame)
    metrics, drawn = sorted(methods["metric"].unique()), set(methods["line"])
    places, tall = _places([line for line in frame["line"].cat.categories if line in drawn])
    across = min(len(metrics), 3)
    down = math.ceil(len(metrics) / across)
    with paper():
        size = (SINGLE if across == 1 else DOUBLE, 0.25 + down * (0.62 + tall))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, sharey=True, squeeze=False)
        panels[0, 0].set_ylim(tall, 0)
        for axes, metric in zip(panels.flat, metrics, strict=False):
            _panel(axes, frame[frame["metric"] == metric], places, (ranges or {}).get(metric))
        for axes in panels.flat[len(metrics) :]:
            axes.remove()
        figure.suptitle(frame["dataset"].iloc[0], fontsize="medium")
    return figure


def traversal(folder: Folder, stem: Path) -> list[Path]:
    """Write the traversal of a run as `<stem>.pdf` and `<stem>.png` and return the paths.

    Raises:
        UserError: the folder has no traversal, or a file cannot be written.
    """
    return save(draw_traversal(folder), stem, dpi=600)


def draw_traversal(folder: Folder) -> Figure:
    """Draw `traversal.h5`: a row per code, its values above; rows of equal values share them."""
    found, run = folder.traversal(), folder.asked["run"]
    name = label(run["method"], settings_text(run["settings"]))
    return draw_sheet(found, f"{name} on {run['dataset']}, seed {run['seed']}\n{found.title}")


def draw_sheet(found: Traversal, heading: str) -> Figure:
    """Draw rows of images, their values above; rows of equal values share them."""
    count, steps, _, height, width = found.strips.shape
    blocks = [
        [row for row, _ in rows]
        for _, rows in groupby(enumerate(found.values.tolist()), key=lambda pair: pair[1])
    ]
    wide = SINGLE if steps <= 11 else DOUBLE
    margin = 0.12 + 0.055 * max(len(name) for name in found.names)
    cell = (wide - margin - 0.05) / steps
    tall = count * cell * height / width
    title = wrapped(heading.strip(), int(13 * wide))
    with paper():
        size = (wide, tall + 0.17 * len(blocks) + 0.12 + 0.14 * (1 + title.count("\n")))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(
            len(blocks), squeeze=False, height_ratios=[len(block) for block in blocks]
        )
        for axes, block in zip(panels.flat, blocks, strict=True):
            _strips(axes, found, block, cell)
        figure.suptitle(title, fontsize="medium")
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
    axes: Axes, frame: pd.DataFrame, places: dict[str, float], bounds: tuple[float, float] | None
) -> None:
    scored = _methods(frame)
    points = scored.assign(y=scored["line"].map(places).astype(float) + _spread(scored))
    looks = {method: look(method) for method in sorted(points["method"].unique())}
    sns.scatterplot(
        points,
        x="value",
        y="y",
        hue="method",
        style="method",
        palette={method: each.colour for method, each in looks.items()},
        markers={method: each.marker for method, each in looks.items()},
        s=16,
        alpha=0.85,
        linewidth=0.3,
        legend=False,
        zorder=3,
        ax=axes,
    )
    for line, group in scored.groupby("line", observed=True):
        _mean(axes, group["value"].tolist(), places[str(line)])
    axes.set_yticks([*places.values()], [wrapped(line, 28) for line in places])
    axes.set_xlim(*_limits(frame["value"].dropna().tolist(), bounds))
    _references(axes, frame, scored)
    axes.set(xlabel="", ylabel="")
    axes.set_title(frame["metric"].iloc[0].replace("_", " "), fontsize="medium", pad=11)
    axes.grid(visible=False, axis="y")


def _spread(scored: pd.DataFrame) -> "pd.Series[float]":
    """Return how far above or below its line each seed's point lies, in inches."""
    grouped = scored.groupby("line", observed=True)["seed"]
    rank, count = grouped.rank(method="first"), grouped.transform("size")
    # In the upper part: the mean and its interval lie below, so that no seed is hidden.
    return (-0.026 + (rank - (count + 1) / 2) / count * 0.09).astype(float)


def _mean(axes: Axes, values: list[float], place: float) -> None:
    bounds = interval(values)
    if bounds is None:
        return
    mean, height = float(np.mean(values)), place + 0.062
    axes.plot(bounds, [height, height], color="0.15", linewidth=0.9, zorder=4, label="interval")
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


def _strips(axes: Axes, found: Traversal, block: Sequence[int], cell: float) -> None:
    strips = found.strips[block]
    count, steps, _, height, width = strips.shape
    axes.imshow(_sheet(strips), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    rows = np.arange(count) * (height + GAP) + (height - 1) / 2
    columns = np.arange(steps) * (width + GAP) + (width - 1) / 2
    axes.set_yticks(rows, [found.names[row] for row in block])
    # A row with fewer images than the others has no value where they go on.
    row = found.values[block[0]]
    values = ["" if math.isnan(value) else f"{round(value, 2):g}" for value in row]
    # A digit is 0.64 of the font's size wide; a value may not touch its neighbour.
    size = min(7.0, 72 * cell / (0.64 * max(len(value) for value in values) + 0.5))
    axes.set_xticks(columns, values, fontsize=size)
    axes.tick_params(length=0, pad=1.5, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _sheet(strips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay (R, V, C, H, W) out as (H', W', 3) or, of one channel, (H', W'), white between them."""
    count, steps, channels, height, width = strips.shape
    tiles = np.full((count, steps, channels, height + GAP, width + GAP), 255, np.uint8)
    tiles[..., :height, :width] = strips
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(count * (height + GAP), -1, channels)
    sheet = sheet[:-GAP, :-GAP]
    return sheet[..., 0] if channels == 1 else sheet
