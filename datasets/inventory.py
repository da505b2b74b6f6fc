"""Which data sets are here, in packed or published files, and whether these are intact."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.registry import DATASETS, UserError
from datasets import downloads, load, packed_file
from datasets.downloads import Original
from datasets.image_chunks import damaged

GET = "python -m benchmark data get"


def files(name: str) -> Sequence[Original]:
    """Return the published files that a data set is made of; none for one that is drawn."""
    found: Sequence[Original] = DATASETS[name].facts.get("files", ())
    return found


def packed(name: str) -> Path | None:
    """Return where the packed file of a data set lies or would; None where there is none."""
    stored = DATASETS[name].facts.get("packed", name)
    return None if stored is None else packed_file.location(stored)


def _is_packed(name: str) -> bool:
    path = packed(name)
    return path is not None and path.is_file()


def _originals(name: str, folder: Path | None) -> list[tuple[Path, Original]]:
    """Return the published files that are here, and where."""
    places = ((downloads.find(name, one, folder), one) for one in files(name))
    return [(path, one) for path, one in places if path is not None]


def state(name: str, folder: Path | None) -> str:
    """Return `packed`, `files` where it can be packed, `to draw` where it needs none, or `-`."""
    needed, own = files(name), packed(name) == packed_file.location(name)
    complete = len(_originals(name, folder)) == len(needed)
    if _is_packed(name) and (complete or own):
        return "packed"
    return "-" if not complete else "files" if needed else "to draw"


def here(folder: Path | None) -> list[str]:
    """Return the data sets of which there is a file.

    Raises:
        UserError: there is none.
    """
    names = [name for name in DATASETS.names() if _is_packed(name) or _originals(name, folder)]
    if not names:
        raise UserError(f"there is no file of a data set in {packed_file.root()}; {GET} NAME")
    return names


def factors(name: str) -> str:
    """Return how many factors a data set has, as the list says it."""
    facts = DATASETS[name].facts
    spec = facts.get("spec")
    if "factors" in facts or spec is None:
        return str(facts.get("factors", "-"))
    return str(spec.factors)


def megabytes(name: str) -> str:
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


def check(names: Sequence[str], folder: Path | None) -> Iterator[tuple[bool, str]]:
    """Verify all that is here of data sets: yield whether each file is whole, and a line on it.

    A file that several are read from is verified once.

    Raises:
        UserError: nothing of one is here.
    """
    seen: set[Path | None] = set()
    for name in names:
        path, found = packed(name), _originals(name, folder)
        if path is None:
            yield True, f"{name} is drawn when asked for"
        elif not path.is_file() and not found:
            raise UserError(f"nothing of {name} is here; {GET} {name}")
        elif path.is_file() and path not in seen:
            yield _checked(path)
        yield from (_verified(*one) for one in found if one[0] not in seen)
        seen |= {path, *(one for one, _ in found)}


def _checked(path: Path) -> tuple[bool, str]:
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
    if one.md5 is None:
        return True, f"{path}: here; no checksum of it is published"
    if path.name != one.name:
        return True, f"{path}: here, unpacked; the published checksum is of {one.name}"
    try:
        downloads.verify(path, one)
    except UserError as error:
        return False, str(error)
    return True, f"{path}: whole, its MD5 is the published one"
