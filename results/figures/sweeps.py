"""Scores over a hyper-parameter, and over training steps."""

from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results.figures.base import (
    NothingToDraw,
    Picture,
    estimates,
    legend,
    over_steps,
    panels,
    stem,
    styles,
    titled,
)
from results.rows import settings_text
from results.study import Study
from results.summary import records

MANY = 200
"""Seeds of a line beyond which a PDF holds their points as a picture."""

STEPS = "training steps"

KEYS = ["dataset", "setting", "method", "line", "x", "metric"]


def sweeps(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set and hyper-parameter that takes several values."""
    found = over_settings(study)
    found = found[found["setting"] != STEPS]
    if found.empty:
        raise NothingToDraw("no numeric hyper-parameter takes several values")
    yield from _pictures(found, "sweep")


def steps(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set with scores that were tracked while methods trained.

    Without any, per data set on which runs differ in their training steps.
    """
    found = tracked(study)
    if found.empty:
        found = over_settings(study)
        found = found[found["setting"] == STEPS]
    if found.empty:
        raise NothingToDraw("no scores were tracked (--track), and no runs differ in steps alone")
    yield from _pictures(found, "progress")


def over_settings(study: Study) -> pd.DataFrame:
    """Return the scores of each method over each number that it was given several values of.

    Such a number is a hyper-parameter or the training steps. Whatever else was asked for is the
    same along a line; seeds are averaged.

    Columns: dataset, setting, method, line, x (its value), metric, values (every seed's, a tuple),
    n, mean, low, high (the last two NaN of fewer than three seeds).
    """
    runs = study.runs
    given = [
        {**settings, STEPS: int(count)}
        for settings, count in zip(runs["settings"], runs["steps"], strict=True)
    ]
    told = runs[["dataset", "method", "folder"]].assign(given=pd.Series(given, runs.index, object))
    values = study.scores[["folder", "metric", "value"]]
    return _with_means(
        [
            _along(part.merge(values, on="folder"), name)
            for _, part in told.groupby(["dataset", "method"])
            for name in _varied(part["given"])
        ]
    )


def tracked(study: Study) -> pd.DataFrame:
    """Return the scores of each line of runs over the training steps at which they were taken.

    Columns: those of `over_settings`.
    """
    names = ["dataset", "method", "line"]
    found = [
        over_steps(file).assign(setting=STEPS, **{name: run[name] for name in names})
        for run in records(study.runs)
        if (file := study.folder(run["folder"]).tracked).exists()
    ]
    if not found:
        return _with_means([])
    scores = pd.concat(found).rename(columns={"step": "x", "quantity": "metric"})
    return _with_means([_grouped(scores[scores["metric"].isin(set(study.frame["metric"]))])])


def _with_means(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return what `_grouped` returned, together, with means and intervals."""
    columns = [*KEYS, "values"]
    lines = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    told_of = [vars(each) for each in estimates(lines["values"].tolist())]
    means = pd.DataFrame(told_of, columns=["n", "mean", "low", "high"], index=lines.index)
    return lines[columns].join(means)


def _varied(given: "pd.Series[Any]") -> list[str]:
    """Return the names of numbers that take several values."""
    names = dict.fromkeys(name for settings in given for name in settings)
    found = []
    for name in names:
        values = {settings.get(name) for settings in given}
        if len(values) > 1 and all(_is_number(value) for value in values):
            found.append(name)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _along(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a row per line, value of `name` and metric; lines of a single value are left out."""
    others = [{k: v for k, v in given.items() if k != name} for given in runs["given"]]
    varied = {k for k in others[0] if len({str(o.get(k)) for o in others}) > 1} if others else set()
    rest = [settings_text({k: v for k, v in other.items() if k in varied}) for other in others]
    lines = [f"{method} {text}".strip() for method, text in zip(runs["method"], rest, strict=True)]
    runs = runs.assign(setting=name, line=lines, x=[float(given[name]) for given in runs["given"]])
    runs = runs[runs.groupby("line")["x"].transform("nunique") > 1]
    return _grouped(runs)


def _grouped(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row per line, x and metric, with the values of all seeds."""
    return scores.groupby(KEYS)["value"].agg(tuple).rename("values").reset_index()


def _pictures(found: pd.DataFrame, name: str) -> Iterator[Picture]:
    for (dataset, setting), part in found.groupby(["dataset", "setting"]):
        methods = ", ".join(dict.fromkeys(part["method"]))
        yield Picture(
            stem(name, str(setting).replace(" ", "_"), str(dataset)),
            f"Scores of {methods} on {dataset} over {setting}, {part['x'].min():g} to "
            f"{part['x'].max():g}, a panel per metric, every seed a point.",
            partial(draw, part),
        )


def draw(found: pd.DataFrame) -> Figure:
    """Draw a panel per metric: every seed a faint point, means joined, 95 % intervals as bars."""
    metrics = sorted(found["metric"].unique())
    figure, axes = panels(len(metrics), 1.5)
    looks = styles(found)
    for panel, metric in zip(axes, metrics, strict=True):
        of_metric = found[found["metric"] == metric]
        for key, line in of_metric.groupby(["method", "line"]):
            _line(panel, line.sort_values("x"), looks[key])
        xs = sorted(set(found["x"]))
        if xs[0] > 0 and xs[-1] / xs[0] >= 8 and not np.allclose(np.diff(xs), xs[1] - xs[0]):
            panel.set_xscale("log")
        if len(xs) <= 6:
            panel.set_xticks(xs, [f"{x:g}" for x in xs], minor=False)
            panel.set_xticks([], minor=True)
        titled(panel, metric)
        panel.set_xlabel(str(found["setting"].iloc[0]))
    figure.suptitle(str(found["dataset"].iloc[0]), fontsize="medium")
    legend(figure, looks.values())
    return figure


def _line(axes: Axes, line: pd.DataFrame, seen: Line2D) -> None:
    how: dict[str, Any] = {"color": seen.get_color(), "marker": seen.get_marker()}
    many = len(line) * line["n"].max() > MANY
    every = line[["x", "values"]].explode("values").astype(float)
    axes.plot(
        every["x"], every["values"], linestyle="", markersize=2, alpha=0.4, rasterized=many, **how
    )
    dashes = seen.get_linestyle()
    axes.plot(line["x"], line["mean"], linestyle=dashes, linewidth=1, markersize=4, **how)
    axes.vlines(line["x"], line["low"], line["high"], color=seen.get_color(), linewidth=0.9)
