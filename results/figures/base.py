"""What figures share: their registry, panels, legends, heat maps, means with intervals."""

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmark.registry import Registry, UserError
from results.aggregate import Record, records
from results.arrays import FILES, Information, Pictures
from results.figures.style import DOUBLE, SINGLE, method_style
from results.kept import refusal
from results.runs import Runs
from results.statistics import intervals

T = TypeVar("T")
Stored = TypeVar("Stored", Information, Pictures)

STYLES: tuple[Any, ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1, 1.2)),
    (0, (5, 1, 1, 1)),
    (0, (7, 1, 1, 1, 1, 1)),
)
"""Of the lines of one method: its colour and marker stay the same."""


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn.

    Attributes:
        stem: the name of its file, without suffix.
        alt: what it shows, for those who cannot see it.
        draw: makes it.
        file: the only file that it is drawn of, if so: a picture that is newer is left as it is.
        frames: makes the images (F, H, W) or (F, H, W, 3), uint8, of an animation of it, if any.
    """

    stem: str
    alt: str
    draw: Callable[[], Figure]
    file: Path | None = None
    frames: Callable[[], Sequence[NDArray[np.uint8]]] | None = None


FIGURES: Registry[Callable[[Runs], Iterator[Picture]]] = Registry(
    "figure", "results.figures", ("order",)
)
"""A module of this package registers what yields its pictures; `order` is its place in a page.

One of `per_run=True` is no part of the page, whose viewer shows what it does.
"""


class Style(NamedTuple):
    """How a line is drawn everywhere: colour, marker, dashes as Matplotlib takes them, and name."""

    colour: str
    marker: str
    dashes: Any
    label: str

    def line(self) -> dict[str, Any]:
        """Return Matplotlib's arguments of the line."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dashes}


Styles = Mapping[Any, Style]
"""By method and line."""


class NothingToDraw(Exception):
    """The runs do not have what a figure shows: one line that names what is missing."""


def estimates(samples: Sequence[Sequence[float]]) -> pd.DataFrame:
    """Return n, the mean, and the 95 % interval (low, high; NaN of too few) of each sample."""
    found = pd.DataFrame(intervals(samples), columns=["low", "high"])
    found["n"] = [len(values) for values in samples]
    found["mean"] = [float(np.mean(values)) for values in samples]
    return found[["n", "mean", "low", "high"]]


def per_dataset(
    name: str,
    found: pd.DataFrame,
    missing: str,
    alt: Callable[[str, pd.DataFrame], str],
    draw: Callable[[pd.DataFrame], Figure],
) -> Iterator[Picture]:
    """Yield a picture per data set.

    Args:
        name: of the figure.
        found: what it shows.
        missing: what there is none of, if `found` is empty.
        alt: returns the alternative text of a data set and its rows.
        draw: draws the rows of a data set.

    Raises:
        NothingToDraw: `found` is empty.
    """
    if found.empty:
        raise NothingToDraw(missing)
    for dataset, part in found.groupby("dataset"):
        yield Picture(stem(name, str(dataset)), alt(str(dataset), part), partial(draw, part))


def read_or_say(read: Callable[[], T]) -> T | None:
    """Return what is read; None, and a line on standard error, if it is damaged."""
    try:
        return read()
    except UserError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def none_stored(runs: Runs, kind: type, text: str) -> NothingToDraw:
    """Return why no run has arrays of a kind: they were not kept, or else `text`."""
    reasons = (refusal(runs.folder(run), FILES[kind].name) for run in runs.finished["folder"])
    return NothingToDraw(next(filter(None, reasons), text))


def stored(runs: Runs, kind: type[Stored], most: int) -> Iterator[tuple[Record, Stored]]:
    """Yield runs that store arrays of a kind, each of another line of the table, and the arrays.

    There are at most so many; of damaged arrays there is a line on standard error.
    """
    for run in records(runs.some(most, kind, one_a_line=True)):
        found = read_or_say(partial(runs.folder(run["folder"]).read, kind))
        if found is not None:
            yield run, found


def logs(
    some: pd.DataFrame, file: Callable[[str], Path], points: int = sys.maxsize
) -> pd.DataFrame:
    """Return the quantities over training steps of the runs that have a CSV of them.

    Columns: dataset, method, line, step, quantity, value. Of a damaged file there is a line on
    standard error.

    Args:
        some: of the rows of `Runs.finished`.
        file: returns the CSV of a run, by the name of its folder.
        points: of a log with more steps than twice as many, every so many steps are returned.
    """
    found = []
    for run in records(some):
        log = read_or_say(partial(_over_steps, file(run["folder"])))
        if log is not None:
            steps = log["step"].unique()
            log = log[log["step"].isin(steps[:: max(1, len(steps) // points)])]
            found.append(log.assign(**{name: run[name] for name in ("dataset", "method", "line")}))
    return pd.concat(found) if found else pd.DataFrame(columns=["dataset"])


def _over_steps(log: Path) -> pd.DataFrame | None:
    try:
        return pd.read_csv(log).melt("step", var_name="quantity").dropna()
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read {log}: {error}") from error


def stem(*parts: str) -> str:
    """Return a file's name of these parts, without characters that a file system may refuse."""
    return "-".join(re.sub(r"[^\w.=-]", "_", part) for part in parts)


def panels(
    count: int,
    height: float,
    across: int = 3,
    *,
    above: float = 0.35,
    width: float | None = None,
    **how: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes, as wide as one or two columns of a paper.

    Args:
        count: how many.
        height: of each, in inches.
        across: how many stand beside each other, at most.
        above: inches of what is not in panels.
        width: of the figure in inches, instead of one column or two.
        how: arguments of Matplotlib's `subplots`.
    """
    across = min(count, across)
    down = math.ceil(count / across)
    size = (width or (SINGLE if across == 1 else DOUBLE), above + down * height)
    figure = Figure(figsize=size, layout="constrained")
    axes = [*figure.subplots(down, across, squeeze=False, **how).flat]
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def panel_each(
    found: pd.DataFrame,
    column: str,
    x: str,
    styles: Styles,
    draw: Callable[[Axes, pd.DataFrame, Styles], None],
) -> Figure:
    """Return a figure of one data set: a panel for each value of a column, and a legend.

    Args:
        found: what it shows.
        column: the metric or quantity, whose panels come in the order of their rows.
        x: the name of the x axis.
        styles: of the lines.
        draw: draws the rows of a panel.
    """
    groups = [*found.groupby(column, sort=False)]
    figure, axes = panels(len(groups), 1.5)
    for panel, (name, rows) in zip(axes, groups, strict=True):
        draw(panel, rows, styles)
        title = re.sub(r"(?<!^L)_", " ", str(name))  # L_I is a paper's letter
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel(x)
    figure.suptitle(str(found["dataset"].iloc[0]), fontsize="medium")
    legend(figure, styles.values())
    return figure


def heatmap(axes: Axes, table: pd.DataFrame, **how: Any) -> None:
    """Draw a table as coloured squares with integers in them; columns' names are slanted."""
    sns.heatmap(table, fmt=".0f", xticklabels=True, yticklabels=True, ax=axes, **how)
    axes.tick_params(length=0)
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")


def styles(found: pd.DataFrame) -> dict[tuple[str, str], Style]:
    """Return how each pair of `method` and `line` in `found` is drawn, with its label.

    A method's colour and marker are the same everywhere; its lines differ in their dashes.
    """
    count: dict[str, int] = {}
    drawn = {}
    # In the same order whatever the figure: by name.
    for method, line in sorted({*zip(found["method"], found["line"], strict=True)}):
        number = count[method] = count.get(method, -1) + 1
        dashes = STYLES[number % len(STYLES)]
        drawn[method, line] = Style(*method_style(method), dashes, line.replace("\n", ", "))
    return drawn


def legend(figure: Figure, drawn: Iterable[Style]) -> None:
    """Put a legend below all panels, in as many columns as fit."""
    handles = [
        Line2D([], [], markersize=3.5, linewidth=1, label=style.label, **style.line())
        for style in drawn
    ]
    widest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, int(figure.get_figwidth() / (0.45 + 0.062 * widest)))
    rows = math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + 0.14 * rows)
    how: dict[str, Any] = {"frameon": False, "fontsize": "small", "handlelength": 2.6}
    columns = min(columns, len(handles))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **how)
