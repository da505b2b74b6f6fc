"""Scores over a hyper-parameter, and over training steps."""

from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.figures import base
from results.figures.base import FIGURES, NothingToDraw, Picture, Style, Styles
from results.frame import settings_text
from results.runs import Runs

MANY = 200
"""Seeds of a line beyond which a PDF holds their points as a picture."""

FEW = 10
"""Seeds beyond which points are fainter."""

MOST_TICKS, CLOSEST = 8, 0.06
"""Values that are all named on their axis, and which part of it they lie apart at least."""

STEPS = "training steps"

KEYS = ["dataset", "setting", "method", "line", "x", "metric"]


@FIGURES.register("sweeps", source="", order=2)
def sweeps(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set and hyper-parameter that takes several values."""
    found = over_settings(runs)
    found = found[found["setting"] != STEPS]
    if found.empty:
        raise NothingToDraw("no numeric hyper-parameter takes several values")
    yield from _pictures(found, "sweep")


@FIGURES.register("steps", source="", order=3)
def steps(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set with scores that were tracked while methods trained.

    Without any, per data set on which runs differ in their training steps.
    """
    found = tracked(runs)
    if found.empty:
        found = over_settings(runs)
        found = found[found["setting"] == STEPS]
    if found.empty:
        raise NothingToDraw("no scores were tracked (--track), and no runs differ in steps alone")
    yield from _pictures(found, "progress")


def over_settings(runs: Runs) -> pd.DataFrame:
    """Return the scores of each method over each number that it was given several values of.

    Such a number is a hyper-parameter or the training steps. Every other setting is the
    same along a line; seeds are averaged.

    Columns: dataset, setting, method, line, x (its value), metric, values (every seed's, a tuple),
    n, mean, low, high (the last two NaN of fewer than three seeds).
    """
    done = runs.finished
    given = [
        {**settings, STEPS: int(count)}
        for settings, count in zip(done["settings"], done["steps"], strict=True)
    ]
    runs_given = done.assign(given=pd.Series(given, done.index, object))
    values = runs.scores[["folder", "metric", "value"]]
    found = [
        _along(part.merge(values, on="folder"), name)
        for _, part in runs_given.groupby(["dataset", "method"])
        for name in _varied(part["given"])
    ]
    return _with_means(pd.concat(found) if found else pd.DataFrame(columns=[*KEYS, "value"]))


def tracked(runs: Runs) -> pd.DataFrame:
    """Return the scores of each line of runs over the training steps at which they were taken.

    Columns: those of `over_settings`.
    """
    found = base.logs(runs.finished, lambda name: runs.folder(name).tracked)
    if found.empty:
        return found
    scores = found.rename(columns={"step": "x", "quantity": "metric"}).assign(setting=STEPS)
    return _with_means(scores[scores["metric"].isin(set(runs.frame["metric"]))])


def _with_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row per line, x and metric: the values of all seeds, with mean and interval."""
    lines = scores.groupby(KEYS)["value"].agg(tuple).rename("values").reset_index()
    return lines.join(base.estimates(lines["values"].tolist()))


def _varied(given: "pd.Series[Any]") -> list[str]:
    """Return the names of numbers that take several values."""
    names = dict.fromkeys(name for settings in given for name in settings)
    values = {name: {settings.get(name) for settings in given} for name in names}
    return [name for name in names if len(values[name]) > 1 and all(map(_is_number, values[name]))]


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _along(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the scores over the values of `name`; lines of a single value are left out."""
    others = [{k: v for k, v in given.items() if k != name} for given in runs["given"]]
    varied = {k for k in others[0] if len({str(o.get(k)) for o in others}) > 1} if others else set()
    rest = [settings_text({k: v for k, v in other.items() if k in varied}) for other in others]
    lines = [f"{method} {text}".strip() for method, text in zip(runs["method"], rest, strict=True)]
    runs = runs.assign(setting=name, line=lines, x=[float(given[name]) for given in runs["given"]])
    return runs[runs.groupby("line")["x"].transform("nunique") > 1]


def _pictures(found: pd.DataFrame, name: str) -> Iterator[Picture]:
    for (dataset, setting), part in found.groupby(["dataset", "setting"]):
        methods = ", ".join(dict.fromkeys(part["method"]))
        yield Picture(
            base.stem(name, str(setting).replace(" ", "_"), str(dataset)),
            f"Scores of {methods} on {dataset} over {setting}, {part['x'].min():g} to "
            f"{part['x'].max():g}, a panel per metric, every seed a point.",
            partial(draw, part),
        )


def draw(found: pd.DataFrame) -> Figure:
    """Draw a panel per metric: every seed a faint point, means joined, 95 % intervals as bars."""
    xs, styles = sorted(set(found["x"])), base.styles(found)
    found = found.sort_values(["metric", "x"], kind="stable")
    draw_lines = partial(_draw_lines, xs=xs)
    return base.panel_each(found, "metric", str(found["setting"].iloc[0]), styles, draw_lines)


def _draw_lines(axes: Axes, found: pd.DataFrame, styles: Styles, xs: Sequence[float]) -> None:
    logarithmic = _scale(axes, xs)
    shifts: dict[Any, float]
    shifts = dict(zip(styles, _shifts(xs, len(styles), logarithmic), strict=True))
    for key, line in found.groupby(["method", "line"]):
        x = line["x"] * shifts[key] if logarithmic else line["x"] + shifts[key]
        _draw_line(axes, line.assign(x=x), styles[key])


def _scale(axes: Axes, xs: Sequence[float]) -> bool:
    """Scale the axis of the numbers `xs`, which rise, and return whether by their logarithms."""
    if len(xs) == 1:
        return False
    even = np.allclose(np.diff(xs), xs[1] - xs[0])
    logarithmic = xs[0] > 0 and xs[-1] / xs[0] >= 8 and not even
    if logarithmic:
        axes.set_xscale("log")
        # Powers of ten are mathematics to Matplotlib, which is off.
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    places = np.log(xs) if logarithmic else np.asarray(xs)
    if len(xs) <= MOST_TICKS and np.diff(places).min() >= CLOSEST * np.ptp(places):
        axes.set_xticks(xs, [f"{x:g}" for x in xs], minor=False)
        axes.set_xticks([], minor=True)
    return logarithmic


def _shifts(xs: Sequence[float], count: int, logarithmic: bool) -> NDArray[np.float64]:
    """Return what each line is shifted by, that none hides another: a factor, or a summand."""
    span = np.log(xs[-1] / xs[0]) if logarithmic else xs[-1] - xs[0]
    shifts = 0.02 * span * (np.arange(count) - (count - 1) / 2) / max(1, count / 4)
    return np.asarray(np.exp(shifts) if logarithmic else shifts)


def _draw_line(axes: Axes, line: pd.DataFrame, style: Style) -> None:
    how, most = style.line(), line["n"].max()
    every = line[["x", "values"]].explode("values").astype(float)
    points = how | {"linestyle": "", "markersize": 2, "markeredgewidth": 0}
    points |= {"alpha": 0.4 if most <= FEW else 0.15, "rasterized": len(line) * most > MANY}
    axes.plot(every["x"], every["values"], **points)
    axes.vlines(line["x"], line["low"], line["high"], color=style.colour, linewidth=0.9)
    how |= {"linewidth": 1, "markersize": 4}
    axes.plot(line["x"], line["mean"], markeredgecolor="white", markeredgewidth=0.4, **how)
