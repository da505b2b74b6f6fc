"""The files that data sets are made of, as their authors publish them: found, fetched, verified."""

import hashlib
import re
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from benchmark.registry import UserError
from datasets import locks, packed_file

TIMEOUT = 20
"""Seconds without a byte: a firewall that swallows packets would keep the user for minutes."""
ATTEMPTS = 3
BLOCK = 1 << 20


@dataclass(frozen=True)
class Original:
    """A published file.

    Attributes:
        name: of the file.
        urls: where it is published, mirrors included; none where a licence has to be signed.
        md5: its checksum, where one is published.
        megabytes: how large it is, about; 0 where not known.
        also: names that serve instead: of the file or the folder that it unpacks to, for example.
        places: folders that it is searched in, inside of the user's and of the cache; in the cache
            it is fetched into the last. None: the folder itself and one of the data set's name.
    """

    name: str
    urls: tuple[str, ...] = ()
    md5: str | None = None
    megabytes: float = 0
    also: tuple[str, ...] = ()
    places: tuple[str, ...] | None = None


class Incomplete(Exception):
    """A download ended before all of the file was there."""


def get(dataset: str, files: Sequence[Original], folder: Path | None) -> list[Path]:
    """Return where the files are: in `folder`, in the cache, or fetched into the cache.

    Args:
        dataset: its name.
        files: all that are needed.
        folder: where the user keeps original files; nothing is written there.

    Raises:
        UserError: a file is not there and cannot be fetched, or is not what it should be.
    """
    paths = []
    for one in files:
        path = find(dataset, one, folder)
        if path is None:
            lacking = [other for other in files if find(dataset, other, folder) is None]
            path = _fetched(dataset, one, lacking)
        else:
            verify(path, one)
        paths.append(path)
    return paths


def about(files: Sequence[Original], paths: Sequence[Path]) -> dict[str, packed_file.Fact]:
    """Return what a packed file says of the files that it was made from."""
    said = [
        " ".join([one.name, *one.urls[:1], one.md5 or "no published MD5"])
        + ("" if path.name == one.name else f" (not verified: made from {path.name})")
        for one, path in zip(files, paths, strict=True)
    ]
    return {"made_from": "; ".join(said)} if files else {}


def find(dataset: str, one: Original, folder: Path | None) -> Path | None:
    """Return where the file is, or what serves instead, None where it is not on this machine.

    The user's folder is searched before the cache.
    """
    paths = (
        base / place / name
        for base in (folder, packed_file.root())
        if base is not None
        for name in (*one.also, one.name)
        for place in _places(dataset, one)
    )
    return next((path for path in paths if path.exists()), None)


def _places(dataset: str, one: Original) -> tuple[str, ...]:
    return ("", dataset) if one.places is None else one.places


def verify(path: Path, one: Original) -> None:
    """Raise UserError unless the file has the published checksum, where there is one for it."""
    if one.md5 is None or path.name != one.name:
        return
    with reading(path):
        found = md5(path)
    if found != one.md5:
        raise UserError(
            f"{path} is damaged or not the published file: its MD5 is {found}, not {one.md5}; "
            "move it away and fetch it again"
        )


def md5(path: Path) -> str:
    """Return the MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever goes wrong while the file `path` is read into one line.

    Args:
        path: the file.
        what: the part of it that is read.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # on damaged files the readers raise whatever they stumble over
        part = f" ({what})" if what else ""
        raise UserError(
            f"cannot read {path}{part}: {_reason(error)}; if it is damaged or not the published "
            "file, move it away and fetch it again"
        ) from error


def _fetched(dataset: str, one: Original, lacking: Sequence[Original]) -> Path:
    """Download the file to the cache, where it appears verified or not at all; return its path.

    What was downloaded before an interruption lies beside it as `.part`, and is continued.

    Args:
        dataset: its name.
        one: the file.
        lacking: all files of the data set that are not here.

    Raises:
        UserError: no address gives the file; the line says how to get it by hand, and what else.
    """
    path = packed_file.root() / _places(dataset, one)[-1] / one.name
    size = f" ({one.megabytes:,.0f} MB)" if one.megabytes else ""
    reasons = []
    for url in one.urls:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locks.of_folder(path.parent):
                if not path.is_file():  # another process fetched it while this one waited
                    print(f"{dataset}: fetching {url}{size} to {path}", file=sys.stderr)
                    _fetch(url, one, path)
        except (OSError, HTTPException, Incomplete, ValueError) as error:  # a redirect to no URL
            reasons.append(_reason(error))
        else:
            return path
    raise _missing(dataset, one, path, "; ".join(reasons), lacking)


def _reason(error: Exception) -> str:
    """Return what went wrong in one short line: a server may say pages."""
    said = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return textwrap.shorten(said, 200, placeholder="...")


def _missing(
    dataset: str, one: Original, path: Path, reason: str, lacking: Sequence[Original]
) -> UserError:
    """Return the error that says what is missing, and how to get it by hand."""
    more = f"python -m benchmark data about {dataset}"
    where = f"python -m benchmark data get {dataset} fetches it where there is a network; by hand, "
    where += f"get it from {' or '.join(one.urls)} and "
    if not one.urls:
        where = f"{more} says whose it is; "
    check = f" (its MD5 is {one.md5})" if one.md5 else ""
    tried = f", and it cannot be downloaded: {reason}" if reason else ""
    names = [other.name for other in lacking if other != one]
    are = "is" if len(names) == 1 else "are"
    others = f"; {', '.join(names)} {are} not there either ({more})" if names else ""
    return UserError(
        f"{dataset} needs {one.name}, which is neither in {path.parent} nor in a --data-dir"
        f"{tried}; {where}put it there as {path}{check}{others}"
    )


def _fetch(url: str, one: Original, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    _download(url, part)
    if one.md5 is not None and (found := md5(part)) != one.md5:
        part.unlink()  # continuing it could not mend it
        raise Incomplete(f"what came has the MD5 {found}, not {one.md5}")
    part.replace(path)


def _download(url: str, part: Path) -> None:
    """Download `url` to `part`, going on where it ended before; try again while that helps."""
    for attempt in range(ATTEMPTS):
        before = _length(part)
        try:
            return _continue(url, part, before)
        except (OSError, HTTPException, Incomplete):
            if attempt == ATTEMPTS - 1 or _length(part) == before:
                raise
    return None


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _continue(url: str, part: Path, have: int) -> None:
    """Append to `part` what is missing after its first `have` bytes.

    Raises:
        Incomplete: not all of it came; where `part` cannot be continued, it is removed.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if _range(error.headers)[1] in (None, have):  # nothing is missing: the whole file came
            return
        part.unlink()
        raise Incomplete("what was downloaded before is longer than the file") from error
    with answer:
        # 200 is the whole file from its start.
        first, size = _range(answer.headers) if answer.status == 206 else (0, None)
        if first not in (0, have):
            part.unlink(missing_ok=True)
            raise Incomplete("the server sent another part of the file than it was asked for")
        if size is None and answer.length is not None:
            size = first + answer.length
        with part.open("ab" if first else "wb") as file:
            _copy(answer, file, first, size)
    if size is not None and _length(part) < size:
        raise Incomplete(f"it ended after {_length(part):,} of {size:,} bytes")


def _range(headers: Message) -> tuple[int | None, int | None]:
    """Return where in the file the bytes of an answer begin, and the file's size; None: unsaid."""
    said = re.match(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", ""))
    first, size = said.groups() if said else (None, None)
    return None if first is None else int(first), None if size is None else int(size)


def _copy(answer: HTTPResponse, file: BinaryIO, have: int, total: int | None) -> None:
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Fetching", total=total, completed=have)
        while block := answer.read1(BLOCK):  # what comes is kept, though the rest does not
            file.write(block)
            progress.advance(task, len(block))
