"""What stays in a run's folder once it is scored (`run --keep`), and what to say of the rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from benchmark.registry import UserError, unknown
from results.store import Folder

Keep = Literal["scores", "codes", "weights"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
"""From the least to everything."""
REMOVED = {"scores": ("*model.pt", "*.h5"), "codes": ("*model.pt",), "weights": ()}
NAMES = {"scores": "codes, pictures and weights", "codes": "weights"}


class NotKept(UserError):
    """A finished run lacks what is needed now, because it was not to be kept."""


def parse(given: str) -> Keep:
    """Return what stays, as given by `--keep`; UserError if it is none of `KEEPS`."""
    for keep in KEEPS:
        if keep == given:
            return keep
    raise unknown("--keep", given, KEEPS)


def kept(folder: Folder) -> Keep:
    """Return what stayed in a run's folder when it was scored; everything where nothing is said."""
    found = (folder.scores or {}).get("kept")
    return next((keep for keep in KEEPS if keep == found), "weights")


def surplus(folder: Folder, keep: Keep) -> list[Path]:
    """Return the files of a run's folder that are not to be kept."""
    return [path for pattern in REMOVED[keep] for path in folder.path.glob(pattern)]


def finish(folder: Folder, record: Mapping[str, Any], keep: Keep) -> None:
    """Write a run's scores; remove what is not to be kept, or was not before."""
    keep = min(kept(folder), keep, key=KEEPS.index)
    folder.finish({**record, "kept": keep})
    for path in surplus(folder, keep):
        path.unlink(missing_ok=True)


def refusal(folder: Folder, *files: str) -> str:
    """Return in one line why files that were not kept are not there; "" if none is missing so."""
    missing = not all((folder.path / file).exists() for file in files)
    keep = kept(folder) if missing else "weights"
    if keep == "weights":
        return ""
    from results.provenance import command  # which imports pandas

    again = f"`{command(folder)}` makes them again"
    return f"{folder.name}: its {NAMES[keep]} were not kept (--keep {keep}); {again}"


def require(folder: Folder, *files: str) -> None:
    """Raise NotKept if one of these files is not there because it was not kept."""
    if why := refusal(folder, *files):
        raise NotKept(why)
