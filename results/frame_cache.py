"""What was read of run folders before, so that only those that changed since are read again.

The index is a Parquet file in the folder of run folders. It has nothing that is not in them, may
be removed at any time, and counts for a folder only while each of its records has the time, the
size and the inode that it had, and this code is the code that read them.
"""

import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmark.registry import UserError
from results.atomic import written
from results.store import RECORDS, Folder

NAME = ".index.parquet"
FEW = 64
"""Folders that are read again sooner than an index is written for them."""


def collected(
    out: Path,
    found: Sequence[Folder],
    read: Callable[[Sequence[Folder]], pd.DataFrame],
) -> pd.DataFrame:
    """Return the rows of `read(found)`, from the index where that is as good.

    Args:
        out: the folder of run folders; the index is left there if it may be written.
        found: those to read, by name.
        read: reads folders into a frame whose columns `folder` and `state` are among others.
    """
    stamps = {folder.name: stamp(folder) for folder in found}
    known = _known(out / NAME, stamps, read([]))
    there = set(known["folder"])
    new = [folder for folder in found if folder.name not in there]
    frame = pd.concat([known, read(new)]) if new else known
    frame = frame.sort_values("folder", kind="stable", ignore_index=True)
    if len(new) > FEW:
        _keep(out / NAME, frame, stamps)
    return frame


def stamp(folder: Folder) -> str:
    """Return what no longer is the same once a record of the run is another; "" without run.json.

    A record is replaced, never written into, which gives it another inode; who edits one
    gives it another time, of its content or (`cp -p`, `chmod`) of its change.
    """
    first, *others = (_stamp(f"{folder.path}/{name}") for name in RECORDS)
    return ",".join([_code(), first, *others]) if first else ""


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_ino}"


@cache
def _code() -> str:
    """Return a checksum of the code that reads run folders: another might read something else."""
    names = ("frame_cache", "frame", "store", "records", "files")
    sources = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in names)
    return f"{zlib.crc32(b''.join(sources)):08x}"


def _known(path: Path, stamps: dict[str, str], empty: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the index that are still true; none if it cannot be read."""
    try:
        table = parquet.read_table(path, page_checksum_verification=True)
        frame: pd.DataFrame = table.to_pandas()
        same = frame["stamp"] == frame["folder"].map(stamps)
        return frame.loc[same, list(empty.columns)].astype(empty.dtypes.to_dict())
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return empty


def _keep(path: Path, frame: pd.DataFrame, stamps: dict[str, str]) -> None:
    """Write the index, if the folder may be written to."""
    frame = frame.assign(stamp=frame["folder"].map(stamps))
    # What is broken is read again each time: its reason names its path.
    frame = frame[(frame["stamp"] != "") & (frame["state"] != "broken")]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with suppress(UserError), written(path) as temporary:
        parquet.write_table(table, temporary, write_page_checksum=True)
