"""Metric against reconstruction: is what disentangles worse at drawing its images again?"""

from collections.abc import Iterator
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from results.figures.base import NothingToDraw, Picture, legend, panels, stem, styles, titled
from results.study import Study


def reconstruction(study: Study) -> Iterator[Picture]:
    """Yield a figure per data set: a panel per metric, a point per run."""
    found = against_reconstruction(study)
    if found.empty:
        raise NothingToDraw("no run with scores logged its reconstruction")
    for dataset, part in found.groupby("dataset"):
        yield Picture(
            stem("reconstruction", str(dataset)),
            f"Scatter plots of {part['metric'].nunique()} metrics over the reconstruction's "
            f"negative log-likelihood on {dataset}: {part['folder'].nunique()} runs of "
            f"{', '.join(sorted(part['method'].unique()))}.",
            partial(draw, part),
        )


def against_reconstruction(study: Study) -> pd.DataFrame:
    """Return each run's scores beside -log p(x | z) in nats, the mean of its last logged steps.

    Columns: dataset, method, line, seed, folder, metric, value, reconstruction.
    """
    runs = study.runs
    told = [train.get("reconstruction") for train in runs["train"]]
    runs = runs[["folder"]].assign(reconstruction=pd.Series(told, runs.index, dtype=float))
    columns = ["dataset", "method", "line", "seed", "folder", "metric", "value"]
    return study.scores[columns].merge(runs.dropna(), on="folder")


def draw(found: pd.DataFrame) -> Figure:
    """Draw the runs of one data set."""
    metrics = sorted(found["metric"].unique())
    figure, axes = panels(len(metrics), 1.5)
    looks = styles(found.assign(line=found["method"]).sort_values("method"))
    for panel, metric in zip(axes, metrics, strict=True):
        for method, runs in found[found["metric"] == metric].groupby("method"):
            seen = looks[str(method), str(method)]
            panel.plot(
                runs["reconstruction"],
                runs["value"],
                linestyle="",
                marker=seen.marker,
                color=seen.colour,
                markersize=3.5,
                markeredgewidth=0.2,
                markeredgecolor="white",
                alpha=0.8,
                rasterized=len(runs) > 500,
            )
        titled(panel, metric)
        panel.set_xlabel("reconstruction, nats")
    figure.suptitle(str(found["dataset"].iloc[0]), fontsize="medium")
    legend(figure, [seen._replace(dashes="") for seen in looks.values()])
    return figure
