"""Data sets that are made once, of published files or drawn, and then kept packed in the cache."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets import downloads, packed_file
from datasets.base import Grid, Images, Spec, Table
from datasets.downloads import Original
from datasets.packed_file import Contents, Fact

Labelled = tuple[Images, NDArray[np.uint8]]


def grid(
    spec: Spec,
    blocks: Callable[[list[Path]], Iterable[Images]],
    *,
    source: str,
    files: Sequence[Original] = (),
    folder: Path | None = None,
    **facts: Fact,
) -> Grid:
    """Return a full grid from the cache, packed first where it is not there.

    Args:
        spec: the data set.
        blocks: returns the images in the order of the grid, in blocks (n, bytes), given where the
            files are.
        source: authors, title, year and URL.
        files: what it is made of; none for one that is drawn.
        folder: where the user keeps files.
        facts: what the packed file must say of itself to be taken.

    Raises:
        UserError: a file is damaged, or missing and cannot be fetched.
    """

    def contents() -> Contents:
        paths = downloads.get(spec.name, files, folder)
        count = math.prod(spec.factor_sizes)
        return Contents(count, blocks(paths), facts=downloads.about(files, paths))

    return Grid(spec, packed_file.packed(spec, contents, source=source, **facts).images)


def labelled(
    spec: Spec,
    parts: Callable[[list[Path]], tuple[Labelled, Labelled]],
    *,
    source: str,
    files: Sequence[Original],
    folder: Path | None,
) -> Table:
    """Return a set of labelled images, those of the second part held out, as `grid` does.

    Args:
        spec: the data set; its factor is the label.
        parts: returns images (n, bytes) and labels (n,) to train on, and those held out, given
            where the files are.
        source: authors, title, year and URL.
        files: what it is made of.
        folder: where the user keeps files.
    """

    def contents() -> Contents:
        paths = downloads.get(spec.name, files, folder)
        (images, labels), (others, more) = parts(paths)
        factors = np.concatenate([labels, more])[:, None]
        tables = {"factors": factors, "held_out": np.arange(len(factors)) >= len(labels)}
        return Contents(len(factors), (images, others), tables, downloads.about(files, paths))

    packed = packed_file.packed(spec, contents, source=source)
    held_out = packed.tables["held_out"]
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    return Table(spec, packed.images, packed.tables["factors"], train, test)
