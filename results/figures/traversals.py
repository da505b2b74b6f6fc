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
from results.arrays import FILES, Information, Pictures, Traversal
from results.figures.base import FIGURES, Picture, none_stored, panels, read_or_say
from results.figures.image_grid import GAP, draw_grid, show, tiled
from results.figures.information import order
from results.figures.style import COLOURS, DOUBLE, MARKERS, SINGLE
from results.frame import settings_text
from results.runs import Runs
from results.store import Folder

MOST = 40
"""Runs up to which each has its traversals drawn; of more, some that `Runs.some` chooses."""
FEW = 4
"""That many, in a study of more runs than `MOST`."""
_NONE = np.zeros(0)
UNKNOWN = Information(_NONE, _NONE, _NONE, [], [], _NONE, np.zeros(0, int))
"""Of a run that keeps no information."""
BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
SMALLEST, LARGEST = 0.42, 0.62
"""Inches of an image in one of few columns, and in any."""


@FIGURES.register("traversals", source="", order=14, per_run=True)
def traversals(runs: Runs) -> Iterator[Picture]:
    """Yield images and a film per run: a row per code, around one image."""
    what = "a row of images per code"
    yield from _per_run(runs, "traversal", what, Traversal, draw_traversal, film)


@FIGURES.register("prior", source="https://arxiv.org/abs/1606.03657", order=13, per_run=True)
def prior(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per run: a panel per code, a row per draw from the prior.

    The layout of Chen et al., InfoGAN, 2016, figure 2.
    """
    what = "a panel of images per code, a row per draw from the prior"
    yield from _per_run(runs, "prior", what, Pictures, draw_prior)


@FIGURES.register(
    "latents", source="https://openreview.net/forum?id=Sy2fzU9gl", order=12, per_run=True
)
def latents(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per run: a column per code, its mean over each factor, and its images.

    The layout of Higgins et al., beta-VAE, 2017, figure 7, with any factors.
    """
    what = "a column of images per code, below its mean over each factor"
    yield from _per_run(runs, "latents", what, Traversal, draw_latents)


def _per_run(
    runs: Runs, name: str, what: str, kind: type, draw: Any, frames: Any = None
) -> Iterator[Picture]:
    every, file = len(runs.finished), FILES[kind].name
    some = runs.some(MOST, kind)
    some = some if len(some) < MOST or every <= MOST else runs.some(FEW, kind)
    if some.empty:
        raise none_stored(runs, kind, f"no finished run holds {file}")
    if len(some) < every > MOST:
        print(f"{name}: {len(some)} of {every:,} runs; name others", file=sys.stderr)
    for run in some["folder"]:
        folder = runs.folder(run)
        film_of = None if frames is None else partial(frames, folder)
        alt, path = _alt(folder, what), folder.path / file
        yield Picture(f"{name}-{run}", alt, partial(draw, folder), path, film_of)


def sorted_traversal(folder: Folder) -> Traversal:
    """Return a run's traversal, rows by falling KL divergence or information.

    Each row is named after the factor that the code informs about most, and which share of that
    factor's entropy it has. A run that keeps no information has its rows as they are.
    """
    found, known = folder.read(Traversal), information(folder)
    rows = _sorted(found.names, known)
    names = [named(found.names[row], known) for row in rows]
    return found._replace(strips=found.strips[rows], values=found.values[rows], names=names)


def information(folder: Folder) -> Information:
    """Return the information that a run keeps; `UNKNOWN` if it keeps none."""
    return folder.get(Information) or UNKNOWN


def _sorted(names: Sequence[str], known: Information) -> list[int]:
    """Return the places of codes in the order of `order`; as they are if nothing is known."""
    codes = [known.codes[place] for place in order(known)]
    rank = {code: number for number, code in enumerate(codes)}
    return sorted(range(len(names)), key=lambda place: rank.get(names[place], len(rank)))


def named(code: str, known: Information) -> str:
    """Return "z3: scale 0.62": a code and the factor that it informs about most, if any."""
    factor = known.main_factor(code)
    return code if factor is None else f"{code}: {factor[0]} {factor[1]:.2f}"


def draw_traversal(folder: Folder) -> Figure:
    """Draw `traversal.h5`: a row per code, its values above; rows of equal values share them."""
    found = sorted_traversal(folder)
    return draw_grid(found, f"{heading(folder)}\n{found.title}")


def heading(folder: Folder) -> str:
    """Return "betavae beta=4 on dsprites, seed 0"."""
    run = folder.config["run"]
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
        across = min(5, len(images))
        blank = np.full((-len(images) % across, *images.shape[1:]), 255, np.uint8)
        rows = np.concatenate([images, blank]).reshape(-1, across, *images.shape[1:])
        factor = max(1, 96 // images.shape[-1])
        frames.append(tiled(rows).repeat(factor, 0).repeat(factor, 1))
    return frames


def draw_prior(folder: Folder) -> Figure:
    """Draw `pictures.h5`: a panel per code, in which each row is another draw from the prior."""
    found, known = folder.read(Pictures), information(folder)
    places = _sorted(found.names, known)
    across = 1 if len(places) == 1 else 2
    draws, _, steps, _, height, width = found.prior.shape
    tall = (DOUBLE - 0.2) / across * draws * height / (steps * width) + 0.2
    figure, axes = panels(len(places), tall, across, width=DOUBLE)
    for panel, place in zip(axes, places, strict=True):
        there = np.isfinite(found.values[place])
        show(panel, tiled(found.prior[:, place, there]), aspect="equal")
        panel.set_anchor("W")  # of a code with fewer values than the others
        low, *_, high = found.values[place, there]
        title = f"{named(found.names[place], known)}   ({low:g} to {high:g})"
        panel.set_title(title, fontsize="small", pad=2)
    figure.suptitle(f"{heading(folder)}: each row another draw from the prior", fontsize="medium")
    return figure


def draw_latents(folder: Folder) -> Figure:
    """Draw a column per code: mean codes over each factor's values, then its images downwards."""
    known, found = information(folder), sorted_traversal(folder)
    codes, _, _, height, width = found.strips.shape
    images = tiled(found.strips.swapaxes(0, 1))
    edge = 0.55
    wide = SINGLE if SINGLE - edge >= codes * SMALLEST else DOUBLE
    column = min(LARGEST, (wide - edge - 0.04) / codes)
    kept = [k for k, size in enumerate(known.sizes) if size]
    heights = [0.4] * len(kept) + [codes * column * images.shape[0] / images.shape[1]]
    title = wrapped(f"{heading(folder)}, {found.title}", int(13 * wide))
    above = 0.3 + 0.14 * (1 + title.count("\n"))
    between = 0.12 * sum(heights) / len(heights)
    tall = sum(heights) + between * len(kept) + above + 0.05
    figure = Figure(figsize=(wide, tall))
    inside: dict[str, Any] = {"left": edge / wide, "right": (edge + codes * column) / wide}
    inside |= {"top": 1 - above / tall, "bottom": 0.05 / tall, "hspace": 0.12}
    *responses, last = figure.subplots(
        len(heights), squeeze=False, height_ratios=heights, gridspec_kw=inside
    ).flat
    for row, (axes, k) in enumerate(zip(responses, kept, strict=True)):
        _responses(axes, known, k, [name.split(": ")[0] for name in found.names], row)
    show(last, images)
    _names(figure.axes[0], found.names)
    _values(last, found.values, height, width)
    figure.text(0.5, 1 - 0.03 / tall, title, ha="center", va="top", fontsize="medium")
    return figure


def _responses(axes: Axes, known: Information, k: int, codes: Sequence[str], row: int) -> None:
    """Draw the mean of each code over the values of factor k."""
    first = int(known.sizes[:k].sum())
    means = known.means[first : first + known.sizes[k]]
    inside = np.linspace(0.1, 0.9, len(means)) if len(means) > 1 else np.array([0.5])
    how: dict[str, Any] = {"color": COLOURS[row % len(COLOURS)], "linewidth": 0.9}
    if len(means) <= 10:
        how |= {"marker": MARKERS[row % len(MARKERS)], "markersize": 2.2}
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
    how: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    how |= {"xytext": (0, 2), "ha": "center", "va": "bottom", "fontsize": "x-small"}
    for column, name in enumerate(names):
        axes.annotate(name.replace(": ", "\n"), ((column + 0.5) / len(names), 1), **how)


def _values(axes: Axes, values: NDArray[np.float64], height: int, width: int) -> None:
    """Write the values that most codes take beside the rows, those of others into their images.

    Args:
        axes: of images of `height` by `width` pixels.
        values: (R, V), of R codes.
    """
    lefts, tops = (
        np.arange(n) * (size + GAP) for n, size in zip(values.shape, (width, height), strict=True)
    )
    texts: list[list[str]] = [[f"{value:.2g}" for value in row] for row in values]
    usual = max(texts, key=texts.count)
    axes.set_yticks(tops + height / 2, usual, fontsize="x-small")
    for left, row in zip(lefts, texts, strict=True):
        for top, value in zip(tops, row, strict=True):
            if row != usual and value != "nan":
                axes.text(left, top, value, va="top", fontsize=5, bbox=BOX)


def _alt(folder: Folder, what: str) -> str:
    known = read_or_say(partial(information, folder)) or UNKNOWN
    codes = [named(known.codes[place], known) for place in order(known)]
    more = f" Codes and what they tell most of, as a share of its entropy: {', '.join(codes)}."
    return f"{heading(folder)}: {what}.{more if codes else ''}"
