"""Metric against metric: rank correlations over all runs of a data set.

Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations, 2019, https://arxiv.org/abs/1811.12359, figure 2.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from results.figures.base import NothingToDraw, Picture, stem
from results.figures.style import DOUBLE, SINGLE
from results.study import Study

FEWEST = 3
"""Runs below which there is no correlation."""


def correlations(study: Study) -> Iterator[Picture]:
    """Yield a heat map per data set."""
    found = rank_correlations(study.scores)
    if found.empty:
        raise NothingToDraw(f"no two metrics have {FEWEST} runs in common")
    for dataset, part in found.groupby("dataset"):
        yield Picture(
            stem("correlations", str(dataset)),
            f"Heat map of Spearman rank correlations between metrics on {dataset}: {_said(part)}.",
            partial(draw, part, str(dataset)),
        )


def rank_correlations(scores: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rho of each two metrics, in [-1, 1], over the runs that have both.

    Columns: dataset, one, other, rho (NaN where a metric never changes), n (runs).
    """
    columns = ["dataset", "one", "other", "rho", "n"]
    tables = [
        _correlated(part).assign(dataset=dataset)
        for dataset, part in scores.groupby("dataset")
        if part["metric"].nunique() > 1
    ]
    found = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    return found.loc[found["n"] >= FEWEST, columns].reset_index(drop=True)


def _correlated(scores: pd.DataFrame) -> pd.DataFrame:
    wide = scores.pivot_table(index="folder", columns="metric", values="value")
    metrics, there = [*wide], wide.notna().to_numpy().astype(int)
    rho = wide.corr(method="spearman", min_periods=FEWEST).to_numpy()
    pairs = {"rho": rho.ravel(), "n": (there.T @ there).ravel()}
    one, other = np.repeat(metrics, len(metrics)), np.tile(metrics, len(metrics))
    return pd.DataFrame({"one": one, "other": other, **pairs})


def draw(found: pd.DataFrame, title: str) -> Figure:
    """Draw the correlations of one data set, in hundredths."""
    square = found.pivot_table(index="one", columns="other", values="rho", dropna=False)
    size = len(square)
    width = SINGLE if size <= 7 else DOUBLE
    height = min(0.75 * width + 0.4, 1.1 + 0.32 * size)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    names = [str(name).replace("_", " ") for name in square]
    sns.heatmap(
        100 * square,
        vmin=-100,
        vmax=100,
        cmap="RdBu_r",
        annot=True,
        fmt=".0f",
        annot_kws={"fontsize": 6 if size > 5 else 7},
        linewidths=0.5,
        square=True,
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "rank correlation x 100", "shrink": 0.8},
        ax=axes,
    )
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")
    most = int(found["n"].max())
    least = int(found["n"].min())
    runs = f"{most:,} runs" if most == least else f"{least:,} to {most:,} runs"
    axes.set_title(f"{title}: {runs}", fontsize="medium")
    return figure


def _said(part: pd.DataFrame) -> str:
    pairs = part[(part["one"] < part["other"]) & part["rho"].notna()]
    if pairs.empty:
        return "none is defined"
    ranked = pairs.sort_values("rho", kind="stable")
    ends = ranked.iloc[[0, -1] if len(ranked) > 1 else [0]]
    return " to ".join(f"{row.rho:.2f} ({row.one}, {row.other})" for row in ends.itertuples())
