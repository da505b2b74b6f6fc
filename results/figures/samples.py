"""What the methods generate: samples from the prior, and reconstructions."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from results.aggregate import Record, wrapped
from results.arrays import Images, Pictures, Traversal
from results.figures.base import FIGURES, Picture, none_stored, stem, stored
from results.figures.image_grid import draw_grid
from results.runs import Runs

MOST = 24
"""Runs that have a row, each of another line of the table."""
ACROSS = 12


@FIGURES.register("samples", source="", order=10)
def samples(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: a row of samples per run."""
    rows = [(run, found.samples) for run, found in stored(runs, Pictures, MOST)]
    if not rows:
        raise none_stored(runs, Pictures, "no run holds samples (pictures.h5)")
    for dataset, part in _by_dataset(rows).items():
        yield _picture("samples", dataset, part, "samples from the prior")


@FIGURES.register("reconstructions", source="", order=11)
def reconstructions(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per data set: test images, and below them each run's reconstructions.

    Runs keep the same test images, so that a column is of one image.
    """
    kept = [(run, found) for run, found in stored(runs, Pictures, MOST) if len(found.originals)]
    if not kept:
        raise none_stored(runs, Pictures, "no run holds reconstructions (pictures.h5)")
    rows = [(run, found.reconstructions) for run, found in kept]
    for dataset, part in _by_dataset(rows).items():
        real = next(found.originals for run, found in kept if run["dataset"] == dataset)
        alike = {name: images for name, images in part.items() if images.shape == real.shape}
        alike = {"test images": real, **alike}
        yield _picture("reconstructions", dataset, alike, "test images and their reconstructions")


def _by_dataset(rows: list[tuple[Record, Images]]) -> dict[str, dict[str, Images]]:
    found: dict[str, dict[str, Images]] = {}
    for run, images in rows:
        name = wrapped(f"{run['line']}, seed {run['seed']}", 24)
        found.setdefault(run["dataset"], {})[name] = images[:ACROSS]
    return found


def _picture(name: str, dataset: str, rows: dict[str, Images], what: str) -> Picture:
    strips = np.stack([*rows.values()])
    blank = np.full(strips.shape[:2], np.nan)
    grid = Traversal(strips, [*rows], blank, what)
    names = ", ".join(text.replace("\n", " ") for text in rows)
    alt = f"Rows of images of {dataset}: {what}, of {names}."
    title = f"{dataset}: {what}"
    return Picture(stem(name, dataset), alt, partial(draw_grid, grid, title))
