"""`python -m benchmark data`: what data sets there are, and whether they are here and whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.registry import DATASETS, METHODS, METRICS, UserError
from datasets import Dataset, Grid, downloads, load, packed_file
from datasets.downloads import Original
from datasets.image_chunks import damaged

if TYPE_CHECKING:
    from results.store import Traversal

COLUMNS = 10
"""Images in a row of a contact sheet."""
GET = "python -m benchmark data get"


def files(name: str) -> Sequence[Original]:
    """Return the published files that a data set is made of; none for one that is drawn."""
    found: Sequence[Original] = DATASETS[name].facts.get("files", ())
    return found


def packed(name: str) -> Path | None:
    """Return where the packed file of a data set lies or would; None where there is none."""
    stored = DATASETS[name].facts.get("packed", name)
    return None if stored is None else packed_file.location(stored)


def state(name: str, folder: Path | None) -> str:
    """Return `packed`, `files` where it can be packed, `to draw` where it needs none, or `-`."""
    path, needed = packed(name), files(name)
    here = all(find(name, one, folder) for one in needed)
    if path is not None and path.is_file() and (here or path == packed_file.location(name)):
        return "packed"
    return "-" if not here else "files" if needed else "to draw"


def here(folder: Path | None) -> list[str]:
    """Return the data sets of which there is a file.

    Raises:
        UserError: there is none.
    """
    found = [name for name in DATASETS.names() if _has_files(name, folder)]
    if not found:
        raise UserError(f"there is no file of a data set in {packed_file.root()}; {GET} NAME")
    return found


def _has_files(name: str, folder: Path | None) -> bool:
    path = packed(name)
    return (path is not None and path.is_file()) or any(
        find(name, one, folder) for one in files(name)
    )


def find(name: str, one: Original, folder: Path | None) -> Path | None:
    """Return where a published file of a data set is, None where it is not on this machine."""
    facts = DATASETS[name].facts
    if "find" in facts:
        path: Path | None = facts["find"](one, folder)
        return path
    return downloads.find(facts.get("folder", name), one, folder)


def listed(folder: Path | None) -> Table:
    """Return the table of all data sets."""
    columns = ("name", "images", "factors", "size", "MB", "licence", "here")
    table = Table(*columns, box=box.SIMPLE)
    table.columns[0].no_wrap = True
    table.columns[0].min_width = max(map(len, DATASETS.names()))
    for name in DATASETS.names():
        facts = DATASETS[name].facts
        spec = facts.get("spec")
        shape = "-" if spec is None else "x".join(map(str, spec.shape))
        texts = (_factors(name), shape, _megabytes(name), facts.get("licence", "not stated"))
        cells = [Text(text, overflow="fold") for text in texts]
        table.add_row(name, f"{facts['images']:,}", *cells, state(name, folder))
    return table


def _factors(name: str) -> str:
    facts = DATASETS[name].facts
    spec = facts.get("spec")
    if "factors" in facts or spec is None:
        return str(facts.get("factors", "-"))
    return str(spec.factors)


def _megabytes(name: str) -> str:
    """Return what the packed file takes, or would."""
    facts, path = DATASETS[name].facts, packed(name)
    spec = facts.get("spec")
    if path is None or path != packed_file.location(name):
        return "0"
    if path.is_file():
        return f"{path.stat().st_size / 1e6:,.0f}"
    if spec is None:
        return "-"
    return f"{facts['images'] * spec.size / 1e6:,.0f}"


def about(name: str, folder: Path | None) -> Iterator[str]:
    """Yield lines on a data set: its source, its files, and what does not apply to it."""
    from benchmark.config.applicable import misfit, unscored
    from benchmark.config.score import Score

    entry, path = DATASETS[name], packed(name)
    spec = entry.facts.get("spec")
    yield f"{name}: {entry.source}"
    yield f"images: {entry.facts['images']:,}; licence: {entry.facts.get('licence', 'not stated')}"
    yield f"factors: {_factors(name)}"
    for one in files(name):
        where = find(name, one, folder) or f"not here; published at {' or '.join(one.urls) or '-'}"
        yield f"file {one.name}: {where}; MD5 {one.md5 or 'not published'}"
    if path is not None:
        yield f"packed file: {path}{'' if path.is_file() else ', not there yet'}"
    if spec is not None:
        yield from (f"method {m}: {why}" for m in METHODS.names() if (why := misfit(m, spec)))
        yield from (
            f"metric {m}: {why}" for m in METRICS.names() if (why := unscored(Score(m), spec))
        )


def get(names: Sequence[str], folder: Path | None) -> Iterator[tuple[str, bool]]:
    """Have the data sets packed, fetched first where need be.

    Yields:
        a line for each, and whether it is the reason why that one cannot be had.
    """
    for name in names:
        try:
            dataset, path = load(name, folder), packed(name)
        except UserError as error:
            yield str(error), True
        else:
            where = "drawn when asked for" if path is None else str(path)
            yield f"{name}: {len(dataset):,} images, {where}", False


def check(name: str, folder: Path | None) -> Iterator[tuple[bool, str]]:
    """Verify all that is here of a data set: yield whether each file is whole, and a line on it.

    Raises:
        UserError: nothing of it is here.
    """
    path, found = packed(name), []
    if path is not None and path.is_file():
        found.append(_checked(name, path))
    for one in files(name):
        original = find(name, one, folder)
        if original is not None:
            found.append(_verified(original, one))
    if not found and path is None:
        found.append((True, f"{name} is drawn when asked for"))
    if not found:
        raise UserError(f"nothing of {name} is here; {GET} {name}")
    yield from found


def _checked(name: str, path: Path) -> tuple[bool, str]:
    try:
        stated, actual = packed_file.checksum(path)
    except UserError as error:
        return False, str(error)
    except (OSError, KeyError, RuntimeError) as error:
        return False, str(damaged(path, str(error)))
    if stated != actual:
        return False, str(damaged(path, "not as it was packed"))
    about = packed_file.about(path)
    if about.get("format") != packed_file.FORMAT:
        return False, f"{path}: of another version; it is packed again when asked for"
    return True, f"{path}: whole, packed {about['date']} with {about['versions']}"


def _verified(path: Path, one: Original) -> tuple[bool, str]:
    if path.name != one.name:
        return True, f"{path}: here, unpacked; the published checksum is of {one.name}"
    if one.md5 is None:
        return True, f"{path}: here; no checksum of it is published"
    try:
        downloads.verify(path, one)
    except UserError as error:
        return False, str(error)
    return True, f"{path}: whole, its MD5 is the published one"


def show(name: str, folder: Path | None, to: Path, seed: int) -> Path:
    """Draw a contact sheet: one row per factor, in which only that factor varies."""
    from results.figures import image_grid, style

    if to.suffix not in style.KINDS:
        raise UserError(f"--to {to}: a picture's name ends in {', '.join(style.KINDS)}")
    found = sheet(load(name, folder), np.random.default_rng(seed))
    path: Path = style.save_as(image_grid.draw_grid(found, f"{name}\n{found.title}"), to)
    return path


def sheet(dataset: Dataset, rng: np.random.Generator) -> "Traversal":
    """Return a row of images per factor. On a grid all rows have one image in common.

    Elsewhere a row is of random images with each value of the factor: the others vary, too.
    """
    from results.store import Traversal

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
