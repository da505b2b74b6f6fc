"""Which code tells of which factor: mutual information, codes x factors."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.aggregate import records, wrapped
from results.figures.base import NothingToDraw, Picture, read_or_say, stem
from results.figures.style import DOUBLE, SINGLE
from results.pictures import Information, read_information
from results.study import Study

MOST = 12
"""Runs that are drawn, each of another line of the table."""


def information(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set: a heat map per run."""
    runs = study.shown(MOST, "information.h5", one_a_line=True)
    tables = {name: _table(study, name) for name in runs["folder"]}
    runs = runs[runs["folder"].map(lambda name: tables[name].size > 0).astype(bool)]
    if runs.empty:
        raise NothingToDraw("no run holds information.h5 of a data set with factors")
    for dataset, part in runs.groupby("dataset"):
        names = [f"{run['line']}, seed {run['seed']}" for run in records(part)]
        shown = {n: tables[f] for n, f in zip(names, part["folder"], strict=True)}
        yield Picture(
            stem("information", str(dataset)),
            f"Heat maps of what codes tell of the factors of {dataset}. {_said(shown)}",
            partial(draw, shown, str(dataset)),
        )


def shares(found: Information) -> pd.DataFrame:
    """Return I(code; factor) / H(factor), in [0, 1]: a line per code, a column per factor.

    Codes come as `order` says; a factor that never changes has 0.
    """
    table = pd.DataFrame(found.shares, found.codes, found.factors)
    return table.iloc[order(found)]


def order(found: Information) -> list[int]:
    """Return the codes' places by falling KL divergence.

    Where that is not known it is by what a code tells most of a factor, as a share of its entropy.
    """
    key = found.kl
    if np.isnan(key).any():
        key = found.shares.max(axis=1, initial=0.0)
    return sorted(range(len(key)), key=lambda place: (-key[place], place))


def draw(tables: dict[str, pd.DataFrame], title: str) -> Figure:
    """Draw the tables beside each other, in hundredths of the factors' entropies."""
    first = next(iter(tables.values()))
    width = SINGLE if len(tables) == 1 else DOUBLE
    cell = 0.24
    fit = max(1, min(len(tables), int((width - 0.4) / (0.55 + cell * len(first.columns)))))
    down = math.ceil(len(tables) / fit)
    tall = max(len(table) for table in tables.values())
    size = (width, 0.5 + down * (0.95 + 0.17 * tall))
    figure = Figure(figsize=size, layout="constrained")
    axes = [*figure.subplots(down, fit, squeeze=False).flat]
    for panel, (name, table) in zip(axes, tables.items(), strict=False):
        _map(panel, name, table)
    for spare in axes[len(tables) :]:
        spare.remove()
    figure.suptitle(f"{title}: I(code; factor) / H(factor) x 100", fontsize="medium")
    return figure


def _map(axes: Axes, name: str, table: pd.DataFrame) -> None:
    few = table.size <= 400
    sns.heatmap(
        100 * table,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=few,
        fmt=".0f",
        annot_kws={"fontsize": 5.5},
        linewidths=0.4,
        cbar=False,
        xticklabels=True,
        yticklabels=True,
        ax=axes,
    )
    axes.tick_params(length=0, labelsize="x-small", rotation=0)
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.set_title(wrapped(name, 26), fontsize="x-small")


def _said(tables: dict[str, pd.DataFrame]) -> str:
    parts = []
    for name, table in tables.items():
        best, who = table.max(), name.replace("\n", ", ")
        parts.append(f"{who}: {best.idxmax()} is told best, {best.max():.0%}")
    return "; ".join(parts) + "."


def _table(study: Study, name: str) -> pd.DataFrame:
    found = read_or_say(read_information, study.folder(name))
    return pd.DataFrame() if found is None else shares(found)
