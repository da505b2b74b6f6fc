"""Metric against metric: rank correlations over all runs of a data set.

Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations, 2019, https://arxiv.org/abs/1811.12359, figure 2.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results.figures.base import FIGURES, Picture, heatmap, per_dataset
from results.figures.style import DOUBLE, SINGLE
from results.runs import Runs

FEWEST = 3
"""Runs below which there is no correlation."""


@FIGURES.register("correlations", source="https://arxiv.org/abs/1811.12359", order=4)
def correlations(runs: Runs) -> Iterator[Picture]:
    """Yield a heat map per data set."""
    yield from per_dataset(
        "correlations",
        rank_correlations(runs.scores),
        f"no two metrics have {FEWEST} runs in common",
        lambda dataset, part: (
            "Heat map of Spearman rank correlations between metrics on "
            f"{dataset}: {_extremes(part)}."
        ),
        draw,
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


def draw(found: pd.DataFrame) -> Figure:
    """Draw the correlations of one data set, in hundredths."""
    square = found.pivot_table(index="one", columns="other", values="rho", dropna=False)
    square.index = square.columns = [str(name).replace("_", " ") for name in square]
    size = len(square)
    width = SINGLE if size <= 7 else DOUBLE
    height = min(0.75 * width + 0.4, 1.1 + 0.32 * size)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    font, bar = 6 if size > 5 else 7, {"label": "rank correlation x 100", "shrink": 0.8}
    how = {"annot": True, "annot_kws": {"fontsize": font}, "linewidths": 0.5, "square": True}
    heatmap(axes, 100 * square, vmin=-100, vmax=100, cmap="RdBu_r", cbar_kws=bar, **how)
    axes.set(xlabel="", ylabel="")
    least, most = int(found["n"].min()), int(found["n"].max())
    runs = f"{most:,} runs" if most == least else f"{least:,} to {most:,} runs"
    axes.set_title(f"{found['dataset'].iloc[0]}: {runs}", fontsize="medium")
    return figure


def _extremes(part: pd.DataFrame) -> str:
    pairs = part[(part["one"] < part["other"]) & part["rho"].notna()]
    if pairs.empty:
        return "none is defined"
    ranked = pairs.sort_values("rho", kind="stable")
    ends = ranked.iloc[[0, -1] if len(ranked) > 1 else [0]]
    return " to ".join(f"{row.rho:.2f} ({row.one}, {row.other})" for row in ends.itertuples())
