"""A contact sheet of a data set: one row per factor, in which only that factor varies."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    found = sheet(load(name, folder), np.random.default_rng(seed))
    path: Path = style.save_as(image_grid.draw_grid(found, f"{name}\n{found.title}"), to)
    return path


def sheet(dataset: Dataset, rng: np.random.Generator) -> Traversal:
    """Return a row of images per factor. On a grid all rows have one image in common.

    Elsewhere a row is of random images with each value of the factor: the others vary, too.
    """
    base = dataset.factors(dataset.sample(1, rng))[0]
    names, values, strips = [], [], []
    for factor, (factor_name, size) in enumerate(
        zip(dataset.factor_names, dataset.factor_sizes, strict=True)
    ):
        shown = np.linspace(0, size - 1, COLUMNS).round().astype(int)
        shown = np.unique(shown) if dataset.spec.grid else shown
        rows = _row(dataset, base, factor, shown, rng)
        lacking = COLUMNS - len(shown)
        blank = np.full((lacking, *dataset.shape), 255, np.uint8)
        images = dataset.images(rows) * np.uint8(255 // (dataset.levels - 1))
        strips.append(np.concatenate([images, blank]))
        values.append([*shown.tolist(), *[np.nan] * lacking])
        names.append(factor_name)
    alone = "only that factor varies" if dataset.spec.grid else "random images with that value"
    return Traversal(
        strips=np.array(strips), values=np.array(values, float), names=names, title=alone
    )


def _row(
    dataset: Dataset,
    base: NDArray[np.int64],
    factor: int,
    values: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    if not isinstance(dataset, Grid):
        return np.concatenate(
            [dataset.sample_fixed(factor, int(value), 1, rng) for value in values]
        )
    factors = np.repeat(base[None], len(values), 0)
    factors[:, factor] = values
    return dataset.index(factors)
