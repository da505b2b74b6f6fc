"""Files that are complete or absent; imports nothing heavy."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.registry import UserError

SCORES = "scores.json"


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move what is written there onto `path` on success.

    The name ends like `path` does, so writers that choose a format by the suffix work. Missing
    parent folders are made. On any exception `path` is left as it was and the temporary is removed.

    Raises:
        UserError: the system refused (disk full, no permission); names `path`.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    # The file itself is safe by now, and some network file systems cannot sync a folder.
    with suppress(OSError):
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text`; UserError if the system refuses."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
