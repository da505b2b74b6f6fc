"""Metric against reconstruction: does what disentangles reconstruct its images less well?"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from results.figures import base
from results.figures.base import FIGURES, Picture
from results.runs import Runs


@FIGURES.register("reconstruction", source="", order=5)
def reconstruction(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: a panel per metric, a point per run."""
    yield from base.per_dataset(
        "reconstruction",
        against_reconstruction(runs),
        "no run with scores logged its reconstruction",
        lambda dataset, part: (
            f"Scatter plots of {part['metric'].nunique()} metrics over the reconstruction's "
            f"negative log-likelihood on {dataset}: {part['folder'].nunique()} runs of "
            f"{', '.join(sorted(part['method'].unique()))}."
        ),
        draw,
    )


def against_reconstruction(runs: Runs) -> pd.DataFrame:
    """Return each run's scores beside -log p(x | z) in nats, the mean of its last logged steps.

    Columns: dataset, method, line, seed, folder, metric, value, reconstruction.
    """
    done = runs.finished
    logged = [train.get("reconstruction") for train in done["train"]]
    done = done[["folder"]].assign(reconstruction=pd.Series(logged, done.index, dtype=float))
    columns = ["dataset", "method", "line", "seed", "folder", "metric", "value"]
    return runs.scores[columns].merge(done.dropna(), on="folder")


def draw(found: pd.DataFrame) -> Figure:
    """Draw the runs of one data set."""
    metrics = sorted(found["metric"].unique())
    figure, axes = base.panels(len(metrics), 1.5)
    styles = base.styles(found.assign(line=found["method"]).sort_values("method"))
    edge: dict[str, Any] = {"markeredgewidth": 0.2, "markeredgecolor": "white"}
    for panel, metric in zip(axes, metrics, strict=True):
        for method, runs in found[found["metric"] == metric].groupby("method"):
            style = styles[str(method), str(method)]._replace(dashes="")
            how = style.line() | edge | {"markersize": 3.5, "alpha": 0.8}
            points = runs["reconstruction"], runs["value"]
            panel.plot(*points, **how, rasterized=len(runs) > 500)
        base.titled(panel, metric)
        panel.set_xlabel("reconstruction, nats")
    figure.suptitle(str(found["dataset"].iloc[0]), fontsize="medium")
    base.legend(figure, [style._replace(dashes="") for style in styles.values()])
    return figure
