"""Images along each code: around a real image, around draws from the prior, and as a film."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.aggregate import label, wrapped
from results.figures.base import NothingToDraw, Picture, read_or_say
from results.figures.information import order
from results.figures.sheets import GAP, draw_sheet, tiled
from results.figures.style import COLOURS, DOUBLE, MARKERS, SINGLE
from results.frame import settings_text
from results.pictures import Information, read_information, read_pictures
from results.store import Folder, Traversal
from results.study import Study

MOST = 40
"""Runs up to which each has its traversals drawn; of more, some that `Study.shown` chooses."""
FEW = 4
"""That many, in a study of more runs than `MOST`."""
BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
SMALLEST, LARGEST = 0.42, 0.62
"""Inches of an image in one of few columns, and in any."""


def traversals(study: Study) -> Iterator[Picture]:
    """Yield a sheet and a film per run: a row per code, around one image."""
    yield from _per_run(study, "traversal", "traversal.h5", draw_traversal, film)


def prior(study: Study) -> Iterator[Picture]:
    """Yield a figure per run: a panel per code, a row per draw from the prior.

    The layout of Chen et al., InfoGAN, 2016, https://arxiv.org/abs/1606.03657, figure 2.
    """
    yield from _per_run(study, "prior", "pictures.h5", draw_prior)


def latents(study: Study) -> Iterator[Picture]:
    """Yield a figure per run: a column per code, its mean over each factor, and its images.

    The layout of Higgins et al., beta-VAE, 2017, https://openreview.net/forum?id=Sy2fzU9gl,
    figure 7, with any factors.
    """
    yield from _per_run(study, "latents", "traversal.h5", draw_latents)


def _per_run(
    study: Study, name: str, file: str, draw: Any, frames: Any = None
) -> Iterator[Picture]:
    runs = study.shown(MOST, file)
    runs = runs if len(runs) < MOST or len(study.runs) <= MOST else study.shown(FEW, file)
    if runs.empty:
        raise NothingToDraw(f"no finished run holds {file}")
    if len(runs) < len(study.runs) > MOST:
        print(f"{name}: {len(runs)} of {len(study.runs):,} runs; name others", file=sys.stderr)
    for run in runs["folder"]:
        folder = study.folder(run)
        yield Picture(
            f"{name}-{run}",
            _alt(folder, name),
            partial(draw, folder),
            folder.path / file,
            None if frames is None else partial(frames, folder),
        )


def sorted_traversal(folder: Folder) -> Traversal:
    """Return a run's traversal, rows by falling KL divergence or information.

    Each row is named after the factor that the code tells most of, and which share of that factor's
    entropy it tells. A run that keeps no information has its rows as they are.
    """
    found, known = folder.traversal(), read_information(folder)
    if known is None:
        return found
    rank = {known.codes[place]: number for number, place in enumerate(order(known))}
    rows = sorted(range(len(found.names)), key=lambda row: rank.get(found.names[row], len(rank)))
    names = [named(found.names[row], known) for row in rows]
    return found._replace(strips=found.strips[rows], values=found.values[rows], names=names)


def named(code: str, known: Information | None) -> str:
    """Return "z3: scale 0.62": a code and what it tells most of; the code alone if of nothing."""
    moved = None if known is None else known.moved(code)
    return code if moved is None else f"{code}: {moved[0]} {moved[1]:.2f}"


def draw_traversal(folder: Folder) -> Figure:
    """Draw `traversal.h5`: a row per code, its values above; rows of equal values share them."""
    found = sorted_traversal(folder)
    return draw_sheet(found, f"{heading(folder)}\n{found.title}")


def heading(folder: Folder) -> str:
    """Return "betavae beta=4 on dsprites, seed 0"."""
    run = folder.asked["run"]
    name = label(run["method"], settings_text(run["settings"]))
    return f"{name} on {run['dataset']}, seed {run['seed']}"


def film(folder: Folder) -> list[NDArray[np.uint8]]:
    """Return the frames (H, W) or (H, W, 3) of all codes moving at once, there and back.

    Each image of a frame is one code's, in the order of `sorted_traversal`, five a row; a code of
    fewer values goes through them again.
    """
    strips = sorted_traversal(folder)
    steps = strips.strips.shape[1]
    counts = np.isfinite(strips.values).sum(1)
    frames = []
    for step in [*range(steps), *range(steps - 2, 0, -1)]:
        images = strips.strips[np.arange(len(counts)), step % counts]
        spare = -len(images) % min(5, len(images))
        blank = np.full((spare, *images.shape[1:]), 255, np.uint8)
        across = np.concatenate([images, blank]).reshape(-1, min(5, len(images)), *images.shape[1:])
        factor = max(1, 96 // images.shape[-1])
        frames.append(tiled(across).repeat(factor, 0).repeat(factor, 1))
    return frames


def draw_prior(folder: Folder) -> Figure:
    """Draw `pictures.h5`: a panel per code, in which each row is another draw from the prior."""
    found, known = read_pictures(folder), read_information(folder)
    assert found is not None
    names, places = list(found.names), list(range(len(found.names)))
    if known is not None:
        rank = {known.codes[place]: number for number, place in enumerate(order(known))}
        places.sort(key=lambda place: rank.get(names[place], len(rank)))
    across = 1 if len(places) == 1 else 2
    down = -(-len(places) // across)
    draws, steps, height, width = *found.prior.shape[:1], *np.array(found.prior.shape)[[2, 4, 5]]
    tall = (DOUBLE - 0.2) / across * draws * height / (steps * width) + 0.2
    figure = Figure(figsize=(DOUBLE, down * tall + 0.35), layout="constrained")
    axes = [*figure.subplots(down, across, squeeze=False).flat]
    for panel, place in zip(axes, places, strict=False):
        there = np.isfinite(found.values[place])
        _picture(panel, tiled(found.prior[:, place, there]))
        low, *_, high = found.values[place, there]
        title = f"{named(names[place], known)}   ({low:g} to {high:g})"
        panel.set_title(title, fontsize="small", pad=2)
    for spare in axes[len(places) :]:
        spare.remove()
    figure.suptitle(f"{heading(folder)}: each row another draw from the prior", fontsize="medium")
    return figure


def draw_latents(folder: Folder) -> Figure:
    """Draw a column per code: mean codes over each factor's values, then its images downwards."""
    known, found = read_information(folder), sorted_traversal(folder)
    bare = [name.split(": ")[0] for name in found.names]
    codes, _, _, height, width = found.strips.shape
    sheet = tiled(found.strips.swapaxes(0, 1))
    edge = 0.55
    wide = SINGLE if SINGLE - edge >= codes * SMALLEST else DOUBLE
    column = min(LARGEST, (wide - edge - 0.04) / codes)
    tall = codes * column * sheet.shape[0] / sheet.shape[1]
    kept = [] if known is None else [k for k, size in enumerate(known.sizes) if size]
    heights = [0.4] * len(kept) + [tall]
    title = wrapped(f"{heading(folder)}, {found.title}", int(13 * wide))
    above = 0.3 + 0.14 * (1 + title.count("\n"))
    between = 0.12 * sum(heights) / len(heights)
    figure = Figure(figsize=(wide, sum(heights) + between * len(kept) + above + 0.05))
    grid = figure.add_gridspec(
        len(heights),
        1,
        left=edge / wide,
        right=(edge + codes * column) / wide,
        top=1 - above / figure.get_figheight(),
        bottom=0.05 / figure.get_figheight(),
        hspace=0.12,
        height_ratios=heights,
    )
    for row, k in enumerate(kept):
        assert known is not None
        _responses(figure.add_subplot(grid[row]), known, k, bare, seen=row)
    axes = figure.add_subplot(grid[len(kept)])
    _picture(axes, sheet)
    _names(figure.axes[0], found.names)
    _values(axes, found.values, height, width)
    figure.text(
        0.5,
        1 - 0.03 / figure.get_figheight(),
        title,
        ha="center",
        va="top",
        fontsize="medium",
    )
    return figure


def _responses(axes: Axes, known: Information, k: int, codes: Sequence[str], seen: int) -> None:
    """Draw the mean of each code over the values of factor k."""
    first = int(known.sizes[:k].sum())
    means = known.means[first : first + known.sizes[k]]
    inside = np.linspace(0.1, 0.9, len(means)) if len(means) > 1 else np.array([0.5])
    few = len(means) <= 10
    how: dict[str, Any] = {"color": COLOURS[seen % len(COLOURS)], "linewidth": 0.9}
    how |= {"marker": MARKERS[seen % len(MARKERS)], "markersize": 2.2} if few else {}
    for column, code in enumerate(codes):
        if code in known.codes:
            axes.plot(column + inside, means[:, known.codes.index(code)], **how)
    axes.set_xlim(0, len(codes))
    axes.set_xticks(range(1, len(codes)), [])
    axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    axes.set_ylabel(known.factors[k], fontsize="x-small", rotation=0, ha="right", va="center")
    axes.tick_params(labelsize=5, length=0, pad=1)
    axes.grid(visible=False, axis="y")


def _names(axes: Axes, names: Sequence[str]) -> None:
    """Write names above columns of one width."""
    for column, name in enumerate(names):
        axes.annotate(
            name.replace(": ", "\n"),
            ((column + 0.5) / len(names), 1),
            xytext=(0, 2),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="x-small",
        )


def _values(axes: Axes, values: NDArray[np.float64], height: int, width: int) -> None:
    """Write the values that most codes take beside the rows, those of others into their images.

    Args:
        axes: of images of `height` by `width` pixels.
        values: (R, V), of R codes.
    """
    lefts, tops = (
        np.arange(n) * (size + GAP) for n, size in zip(values.shape, (width, height), strict=True)
    )
    told: list[list[str]] = [[f"{value:.2g}" for value in row] for row in values]
    usual = max(told, key=told.count)
    axes.set_yticks(tops + height / 2, usual, fontsize="x-small")
    for left, row in zip(lefts, told, strict=True):
        for top, value in zip(tops, row, strict=True):
            if row != usual and value != "nan":
                axes.text(left, top, value, va="top", fontsize=5, bbox=BOX)


def _picture(axes: Axes, sheet: NDArray[np.uint8]) -> None:
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _alt(folder: Folder, name: str) -> str:
    known = read_or_say(read_information, folder)
    what = {
        "traversal": "a row of images per code",
        "prior": "a panel of images per code, a row per draw from the prior",
        "latents": "a column of images per code, below its mean over each factor",
    }[name]
    told = [] if known is None else [named(known.codes[place], known) for place in order(known)]
    said = (
        f" Codes and what they tell most of, as a share of its entropy: {', '.join(told)}."
        if told
        else ""
    )
    return f"{heading(folder)}: {what}.{said}"
