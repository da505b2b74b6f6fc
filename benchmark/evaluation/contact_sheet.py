"""A contact sheet of a data set: one row per factor, in which only that factor varies."""

from pathlib import Path

import numpy as np

from benchmark.errors import UserError
from datasets import Dataset, Grid, load
from results.store import Traversal

COLUMNS = 10
"""Images in a row."""


def draw(name: str, folder: Path | None, to: Path, seed: int) -> Path:
    """Draw the contact sheet of a data set; return the path."""
    from results.figures import image_grid, style

    if to.suffix not in style.KINDS:
        raise UserError(f"--to {to}: a picture's name ends in {', '.join(style.KINDS)}")
    found = rows_by_factor(load(name, folder), np.random.default_rng(seed))
    path: Path = style.save_as(image_grid.draw_grid(found, f"{name}\n{found.title}"), to)
    return path


def rows_by_factor(dataset: Dataset, rng: np.random.Generator) -> Traversal:
    """Return a row of images per factor. On a grid all rows have one image in common.

    Elsewhere a row is of random images with each value of the factor: the others vary, too.
    """
    base = dataset.factors(dataset.sample(1, rng))[0]
    values = np.full((len(dataset.factor_sizes), COLUMNS), np.nan)
    strips = np.full((*values.shape, *dataset.shape), 255, np.uint8)
    for factor, size in enumerate(dataset.factor_sizes):
        shown = np.linspace(0, size - 1, COLUMNS).round().astype(int)
        if isinstance(dataset, Grid):
            shown = np.unique(shown)
            factors = np.repeat(base[None], len(shown), 0)
            factors[:, factor] = shown
            rows = dataset.index(factors)
        else:
            found = [dataset.sample_fixed(factor, int(value), 1, rng) for value in shown]
            rows = np.concatenate(found)
        images = dataset.images(rows) * np.uint8(255 // (dataset.levels - 1))
        values[factor, : len(shown)], strips[factor, : len(shown)] = shown, images
    title = "only that factor varies" if dataset.spec.grid else "random images with that value"
    return Traversal(strips, list(dataset.factor_names), values, title)
