"""Files that are complete or absent: JSON records and HDF5 arrays."""

import json
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.registry import UserError
from results.atomic import write_text, written

Shape = Mapping[str, Any]
SMALL = 4_096
"""Bytes of an array that is not worth compressing."""
REMEDY = "remove its folder, and the same command makes the run again"


class Damaged(UserError):
    """A file that a run stored cannot be read."""


def read_record(path: Path, shape: Shape) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None if there is no such file.

    Args:
        path: the file.
        shape: the names it must have; see `check`.

    Raises:
        Damaged: the file is unreadable, not JSON, or lacks a name; names `path`.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"cannot read {path}: {error}; {REMEDY}") from error
    check(record, shape, str(path), Damaged)
    return dict(record)


def write_record(path: Path, record: Mapping[str, Any], shape: Shape) -> None:
    """Write `record` as JSON; NumPy numbers are unwrapped, numbers that are not finite become null.

    Raises:
        ValueError: `record` lacks a name of `shape`.
        UserError: the system refused.
    """
    check(plain(record), shape, path.name, ValueError)
    write_json(path, record)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write `record` as JSON; NumPy numbers are unwrapped, numbers that are not finite become null.

    Raises:
        UserError: the system refused.
    """
    write_text(path, json.dumps(plain(record), indent=1, allow_nan=False) + "\n")


def read_arrays(
    path: Path, *names: str, optional: Sequence[str] = (), remedy: str = REMEDY
) -> dict[str, Any]:
    """Return the named arrays of an HDF5 file, and the optional ones it has; text as lists of str.

    Raises:
        UserError: there is no such file.
        Damaged: it cannot be read, or lacks one of them; names `path` and the remedy.
    """
    try:
        with h5py.File(path, "r") as file:
            there = [*names, *(name for name in optional if name in file)]
            return {name: _array(file[name]) for name in there}
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}") from error
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise Damaged(f"cannot read {path}: {error}; {remedy}") from error


def write_arrays(
    path: Path, *, compression: str = "lzf", **arrays: NDArray[Any] | Sequence[str]
) -> None:
    """Write arrays, and sequences of str, to an HDF5 file; UserError if the system refuses.

    Args:
        path: the file.
        compression: a filter of h5py, for arrays of more than `SMALL` bytes.
        arrays: by name.
    """
    # HDF5 crashes on compressed arrays where the disk is full, so that Python writes its bytes.
    whole = BytesIO()
    with h5py.File(whole, "w") as file:
        for name, array in arrays.items():
            kind = None if isinstance(array, np.ndarray) else h5py.string_dtype()
            large = isinstance(array, np.ndarray) and array.nbytes > SMALL
            how = {"compression": compression, "shuffle": True} if large else {}
            file.create_dataset(name, data=array, dtype=kind, **how)
    with written(path) as temporary:
        temporary.write_bytes(whole.getbuffer())


def check(found: Any, shape: Any, where: str, error: type[Exception] = UserError) -> None:
    """Raise `error`, naming `where`, unless `found` is of `shape`.

    That is a type, several of them, a list of one shape, or a record: names, each with a shape; a
    name that ends with "?" may be missing.
    """
    if isinstance(shape, list):
        check(found, list, where, error)
        for part in found:
            check(part, shape[0], where, error)
    elif isinstance(shape, Mapping):
        if not isinstance(found, dict):
            raise error(f"{where} is not a record")
        for key, kind in shape.items():
            name = key.removesuffix("?")
            if name in found:
                check(found[name], kind, f"{where}: {name!r}", error)
            elif name == key:
                raise error(f"{where} has no {name!r}")
    elif not isinstance(found, shape):
        raise error(f"{where} is {found!r}")


def _array(stored: h5py.Dataset) -> Any:
    is_text = h5py.check_string_dtype(stored.dtype) is not None
    return stored.asstr()[:].tolist() if is_text else stored[:]


def plain(record: Any) -> Any:
    """Return `record` in JSON's own types: NumPy numbers unwrapped, non-finite numbers as None."""
    if isinstance(record, Mapping):
        return {str(key): plain(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [plain(value) for value in record]
    if isinstance(record, np.generic):
        return plain(record.item())
    return None if isinstance(record, float) and not math.isfinite(record) else record
