"""What every figure is made with: what is handed to the printer, panels, legends, estimates."""

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmark.registry import UserError
from results.aggregate import Record
from results.figures.style import DOUBLE, SINGLE, look
from results.statistics import intervals

A = TypeVar("A")
T = TypeVar("T")

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
        alt: what it shows, in words, for those who cannot see it.
        draw: makes it.
        shows: a file that it is drawn of alone: a picture that is newer is left as it is.
        frames: makes the images (F, H, W) or (F, H, W, 3), uint8, of an animation of it, if any.
    """

    stem: str
    alt: str
    draw: Callable[[], Figure]
    shows: Path | None = None
    frames: Callable[[], Sequence[NDArray[np.uint8]]] | None = None


class Style(NamedTuple):
    """How a line is drawn everywhere: colour, marker, dashes as Matplotlib takes them, and name."""

    colour: str
    marker: str
    dashes: Any
    label: str

    def line(self) -> dict[str, Any]:
        """Return what Matplotlib is told of the line."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dashes}


class NothingToDraw(Exception):
    """The runs do not have what a figure shows: one line that says what is missing."""


@dataclass(frozen=True)
class Estimate:
    """A mean over n values with its 95 % interval; `low` and `high` are NaN of too few."""

    n: int
    mean: float
    low: float
    high: float


def estimates(samples: Sequence[Sequence[float]]) -> list[Estimate]:
    """Return the mean and the interval of each sample, whatever the order of its values."""
    found = [
        Estimate(len(values), float(np.mean(values)), math.nan, math.nan) for values in samples
    ]
    # Samples of one size share their resamples, which takes a hundredth of the time.
    for n in {each.n for each in found}:
        places = [place for place, each in enumerate(found) if each.n == n]
        bounds = intervals(np.array([samples[place] for place in places], np.float64))
        for place, (low, high) in zip(places, bounds.tolist(), strict=True):
            found[place] = replace(found[place], low=low, high=high)
    return found


def read_or_say(read: Callable[[A], T], place: A) -> T | None:
    """Return what is read of a place; None, and a line on standard error, if it is damaged."""
    try:
        return read(place)
    except UserError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def over_steps(log: Path) -> pd.DataFrame:
    """Return a CSV of quantities over training steps as rows: step, quantity, value.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return pd.read_csv(log).melt("step", var_name="quantity").dropna()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read {log}: {error}") from error


def logs(
    runs: Iterable[Record], file: Callable[[Record], Path]
) -> Iterator[tuple[Record, pd.DataFrame]]:
    """Yield what `over_steps` reads of each run's file, if it has one.

    Of a damaged one there is a line on standard error instead.
    """
    for run in runs:
        log = read_or_say(over_steps, file(run)) if file(run).exists() else None
        if log is not None:
            yield run, log


def stem(*parts: str) -> str:
    """Return a file's name of these parts, without characters that a file system may refuse."""
    return "-".join(re.sub(r"[^\w.=-]", "_", part) for part in parts)


def panels(count: int, height: float, across: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes, `height` inches each, as wide as one or two columns."""
    across = min(count, across)
    down = math.ceil(count / across)
    size = (SINGLE if across == 1 else DOUBLE, 0.35 + down * height)
    figure = Figure(figsize=size, layout="constrained")
    axes = [*figure.subplots(down, across, squeeze=False).flat]
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def titled(axes: Axes, text: str) -> None:
    """Set the title of a panel: a metric's name, or another that comes from a run."""
    spaced = re.sub(r"(?<!^L)_", " ", text)  # L_I is a paper's letter
    axes.set_title(spaced, fontsize="medium")


def styles(found: pd.DataFrame) -> dict[tuple[str, str], Style]:
    """Return how each pair of `method` and `line` in `found` is drawn, with its label.

    A method's colour and marker are the same everywhere; its lines differ in their dashes.
    """
    count: dict[str, int] = {}
    drawn = {}
    # In the same order whatever the figure: by name.
    for method, line in sorted({*zip(found["method"], found["line"], strict=True)}):
        number = count[method] = count.get(method, -1) + 1
        seen = look(method)
        dashes = STYLES[number % len(STYLES)]
        drawn[method, line] = Style(seen.colour, seen.marker, dashes, line.replace("\n", ", "))
    return drawn


def legend(figure: Figure, looks: Iterable[Style]) -> None:
    """Put a legend below all panels, in as many columns as fit."""
    handles = [
        Line2D([], [], markersize=3.5, linewidth=1, label=seen.label, **seen.line())
        for seen in looks
    ]
    widest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, int(figure.get_figwidth() / (0.45 + 0.062 * widest)))
    rows = math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + 0.14 * rows)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(columns, len(handles)),
        frameon=False,
        fontsize="small",
        handlelength=2.6,
    )
