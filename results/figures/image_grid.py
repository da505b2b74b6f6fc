"""Grids of images: rows along codes or factors, values above."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.aggregate import wrapped
from results.arrays import Traversal
from results.figures.style import DOUBLE, SINGLE, paper

GAP = 2
"""Pixels between images."""


def draw_grid(found: Traversal, heading: str) -> Figure:
    """Draw rows of images, their values above; rows of equal values share them."""
    count, steps, _, height, width = found.strips.shape
    blocks = [
        [row for row, _ in rows]
        for _, rows in groupby(enumerate(found.values.tolist()), key=lambda pair: str(pair[1]))
    ]
    wide = SINGLE if steps <= 11 else DOUBLE
    margin = 0.12 + 0.055 * max(len(line) for name in found.names for line in name.split("\n"))
    cell = (wide - margin - 0.05) / steps
    tall = count * cell * height / width
    title = wrapped(heading.strip(), int(13 * wide))
    with paper():
        size = (wide, tall + 0.17 * len(blocks) + 0.12 + 0.14 * (1 + title.count("\n")))
        figure = Figure(figsize=size, layout="constrained")
        heights = [len(block) for block in blocks]
        panels = figure.subplots(len(blocks), squeeze=False, height_ratios=heights)
        for axes, block in zip(panels.flat, blocks, strict=True):
            _strips(axes, found, block, cell)
        figure.suptitle(title, fontsize="medium")
    return figure


def _strips(axes: Axes, found: Traversal, block: Sequence[int], cell: float) -> None:
    strips = found.strips[block]
    count, steps, _, height, width = strips.shape
    show(axes, tiled(strips), aspect="equal")
    rows = np.arange(count) * (height + GAP) + (height - 1) / 2
    columns = np.arange(steps) * (width + GAP) + (width - 1) / 2
    axes.set_yticks(rows, [found.names[row] for row in block])
    # A row with fewer images than the others has no value where they go on.
    row = found.values[block[0]]
    values = ["" if math.isnan(value) else f"{round(value, 2):g}" for value in row]
    # A digit is 0.64 of the font's size wide; a value may not touch its neighbour.
    size = min(7.0, 72 * cell / (0.64 * max(len(value) for value in values) + 0.5))
    axes.set_xticks(columns, values, fontsize=size)
    axes.tick_params(length=0, pad=1.5, labeltop=True, labelbottom=False)


def show(axes: Axes, images: NDArray[np.uint8], aspect: Literal["auto", "equal"] = "auto") -> None:
    """Draw what `tiled` returned, without axes."""
    axes.imshow(images, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect=aspect)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def tiled(strips: NDArray[np.uint8], gap: int = GAP) -> NDArray[np.uint8]:
    """Lay (R, V, C, H, W) out as (H', W', 3) or, of one channel, (H', W'), white between them."""
    count, steps, channels, height, width = strips.shape
    tiles = np.full((count, steps, channels, height + gap, width + gap), 255, np.uint8)
    tiles[..., :height, :width] = strips
    grid = tiles.transpose(0, 3, 1, 4, 2).reshape(count * (height + gap), -1, channels)
    grid = grid[: len(grid) - gap, : grid.shape[1] - gap]
    return grid[..., 0] if channels == 1 else grid
