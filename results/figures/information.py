"""Which code informs about which factor: mutual information, codes x factors."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results.aggregate import wrapped
from results.arrays import Information
from results.figures.base import FIGURES, Picture, heatmap, none_stored, panels, stem, stored
from results.figures.style import DOUBLE, SINGLE
from results.runs import Runs

MOST = 12
"""Runs that are drawn, each of another line of the table."""


@FIGURES.register("information", source="", order=9)
def information(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: a heat map per run."""
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for run, found in stored(runs, Information, MOST):
        if found.shares.size:
            name = f"{run['line']}, seed {run['seed']}"
            tables.setdefault(run["dataset"], {})[name] = shares(found)
    if not tables:
        text = "no run holds information.h5 of a data set with factors"
        raise none_stored(runs, Information, text)
    for dataset, part in sorted(tables.items()):
        alt = f"Heat maps of what codes tell of the factors of {dataset}. {_best(part)}"
        yield Picture(stem("information", dataset), alt, partial(draw, part, dataset))


def shares(found: Information) -> pd.DataFrame:
    """Return I(code; factor) / H(factor), in [0, 1]: a line per code, a column per factor.

    Codes come as `order` says; a factor that never changes has 0.
    """
    table = pd.DataFrame(found.shares, found.codes, found.factors)
    return table.iloc[order(found)]


def order(found: Information) -> list[int]:
    """Return the codes' places by falling KL divergence.

    Where that is not known it is by the largest share of a factor's entropy that a code has.
    """
    key = found.kl
    if np.isnan(key).any():
        key = found.shares.max(axis=1, initial=0.0)
    return sorted(range(len(key)), key=lambda place: (-key[place], place))


def draw(tables: dict[str, pd.DataFrame], title: str) -> Figure:
    """Draw the tables beside each other, in hundredths of the factors' entropies."""
    columns = len(next(iter(tables.values())).columns)
    width = SINGLE if len(tables) == 1 else DOUBLE
    across = max(1, int((width - 0.4) / (0.55 + 0.24 * columns)))
    tall = max(len(table) for table in tables.values())
    figure, axes = panels(len(tables), 0.95 + 0.17 * tall, across, above=0.5, width=width)
    for panel, (name, table) in zip(axes, tables.items(), strict=True):
        how = {"annot": table.size <= 400, "annot_kws": {"fontsize": 5.5}, "linewidths": 0.4}
        heatmap(panel, 100 * table, vmin=0, vmax=100, cmap="Blues", cbar=False, **how)
        panel.tick_params(labelsize="x-small")
        panel.tick_params(axis="y", rotation=0)
        panel.set_title(wrapped(name, 26), fontsize="x-small")
    figure.suptitle(f"{title}: I(code; factor) / H(factor) x 100", fontsize="medium")
    return figure


def _best(tables: dict[str, pd.DataFrame]) -> str:
    parts = []
    for name, table in tables.items():
        best, who = table.max(), name.replace("\n", ", ")
        parts.append(f"{who}: {best.idxmax()} is told best, {best.max():.0%}")
    return "; ".join(parts) + "."
