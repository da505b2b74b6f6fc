"""Metric against reconstruction: does what disentangles reconstruct its images less well?"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures import base
from results.figures.base import FIGURES, Picture, Styles
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
    found = found.assign(line=found["method"]).sort_values("metric", kind="stable")
    styles = {key: style._replace(dashes="") for key, style in base.styles(found).items()}
    return base.panel_each(found, "metric", "reconstruction, nats", styles, _draw_runs)


def _draw_runs(axes: Axes, found: pd.DataFrame, styles: Styles) -> None:
    how: dict[str, Any] = {"markersize": 3.5, "alpha": 0.8, "markeredgewidth": 0.2}
    for key, runs in found.groupby(["method", "line"]):
        points = runs["reconstruction"], runs["value"]
        more = how | styles[key].line() | {"rasterized": len(runs) > 500}
        axes.plot(*points, markeredgecolor="white", **more)
