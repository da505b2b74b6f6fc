"""Figures for papers. A new one is one new file here, which registers it; see `base.FIGURES`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from PIL import Image

from benchmark.config.parse import names
from benchmark.registry import UserError
from results.atomic import written
from results.figures.base import FIGURES, NothingToDraw, Picture
from results.figures.style import paper, save
from results.runs import Runs

FEW = 30
"""Pictures that one process draws; more are divided among as many as there are cores."""


def known(*, per_run: bool = True) -> list[str]:
    """Return the names of the figures in their order, with or without those of single runs."""
    found = [FIGURES[name] for name in FIGURES.names()]
    found = [each for each in found if per_run or not each.facts.get("per_run")]
    return [each.name for each in sorted(found, key=lambda each: each.facts["order"])]


def chosen(text: str | None) -> list[str]:
    """Return the comma-separated names of figures; all of them without a text."""
    return names("all" if text is None else text, "figure", known())


def pictures(runs: Runs, wanted: Sequence[str]) -> Iterator[Picture]:
    """Yield the figures of these names; say on standard error what there is nothing to draw of."""
    for name in wanted:
        try:
            yield from FIGURES[name].value(runs)
        except NothingToDraw as reason:
            print(f"left out: {name}: {reason}", file=sys.stderr)


def draw(runs: Runs, to: Path, wanted: Sequence[str]) -> list[Path]:
    """Write these figures as PDF and PNG, films as GIF, into `to`; return the paths.

    A picture that is newer than the one file that it is drawn of is left as it is.

    Raises:
        UserError: a file cannot be written or read.
    """
    found = [*pictures(runs, wanted)]
    # Starting another process takes longer than drawing a few.
    jobs = cpu_count() if len(found) > FEW else 1
    drawn = Parallel(n_jobs=jobs)(delayed(write)(picture, to) for picture in found)
    return [path for paths in drawn for path in paths]


def write(picture: Picture, to: Path) -> list[Path]:
    """Write a picture's files, unless they are newer than what it is drawn of; return their paths.

    There are none, but a line on standard error, of what cannot be read.
    """
    kinds = ("pdf", "png", "gif") if picture.frames else ("pdf", "png")
    paths = [to / f"{picture.stem}.{kind}" for kind in kinds]
    if picture.file is not None and all(_newer(path, picture.file) for path in paths):
        return paths
    try:
        with paper():
            figure = picture.draw()
        frames = [] if picture.frames is None else picture.frames()
    except UserError as error:
        print(f"left out: {picture.stem}: {error}", file=sys.stderr)
        return []
    save(figure, to / picture.stem)
    if frames:
        _animate(frames, paths[-1])
    return paths


def _newer(path: Path, file: Path) -> bool:
    return path.exists() and path.stat().st_mtime > file.stat().st_mtime


def _animate(frames: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write a GIF that goes on for ever, eight frames a second."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    with written(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=125, loop=0)
