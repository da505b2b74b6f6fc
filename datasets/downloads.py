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
    """

    name: str
    urls: tuple[str, ...] = ()
    md5: str | None = None
    megabytes: float = 0


class Incomplete(Exception):
    """A download ended before all of the file was there."""


def get(dataset: str, files: Sequence[Original], folder: Path | None) -> list[Path]:
    """Return where the files are: in `folder`, in the cache, or fetched into the cache.

    Args:
        dataset: its name, which is that of a folder in both.
        files: all that are needed.
        folder: where the user keeps original files; nothing is written there.

    Raises:
        UserError: a file is not there and cannot be fetched, or is not what it should be.
    """
    return [_get(dataset, one, folder, files) for one in files]


def about(files: Sequence[Original]) -> dict[str, packed_file.Fact]:
    """Return what a packed file says of the files that it was made from."""
    said = [" ".join([one.name, *one.urls[:1], one.md5 or "no published MD5"]) for one in files]
    return {"made_from": "; ".join(said)}


def find(dataset: str, one: Original, folder: Path | None) -> Path | None:
    """Return where the file is, None where it is not on this machine."""
    return packed_file.find(one.name, folder, dataset)


def _get(dataset: str, one: Original, folder: Path | None, files: Sequence[Original]) -> Path:
    path = find(dataset, one, folder)
    if path is None:
        path = packed_file.root() / dataset / one.name
        fetch(dataset, one, path, [f for f in files if find(dataset, f, folder) is None])
    else:
        verify(path, one)
    return path


def verify(path: Path, one: Original) -> None:
    """Raise UserError unless the file has the published checksum, where there is one."""
    if one.md5 is None:
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


def fetch(dataset: str, one: Original, path: Path, lacking: Sequence[Original] = ()) -> None:
    """Download the file to `path`, where it appears whole and verified or not at all.

    What was downloaded before an interruption lies beside it as `.part`, and is continued.

    Args:
        dataset: its name.
        one: the file.
        path: where it is to lie.
        lacking: all files of the data set that are not here.

    Raises:
        UserError: no address gives the file; the line says how to get it by hand, and what else.
    """
    reasons = []
    for url in one.urls:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locks.of_folder(path.parent):
                if not path.is_file():  # another process fetched it while this one waited
                    print(f"{dataset}: fetching {url}{_size(one)} to {path}", file=sys.stderr)
                    _fetch(url, one, path)
        except (OSError, HTTPException, Incomplete, ValueError) as error:  # a redirect to no URL
            reasons.append(_reason(error))
        else:
            return
    others = [other.name for other in lacking if other != one]
    raise missing(dataset, one, path, "; ".join(reasons), others)


def _reason(error: Exception) -> str:
    """Return what went wrong in one short line: a server may say pages."""
    said = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return textwrap.shorten(said, 200, placeholder="...")


def _fetch(url: str, one: Original, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    _download(url, part)
    _accept(part, one)
    part.replace(path)


def _size(one: Original) -> str:
    return f" ({one.megabytes:,.0f} MB)" if one.megabytes else ""


def missing(
    dataset: str, one: Original, path: Path, reason: str, others: Sequence[str]
) -> UserError:
    """Return the error that says what is missing, and how to get it by hand."""
    where = f"python -m benchmark data get {dataset} fetches it where there is a network; by hand, "
    where += f"get it from {' or '.join(one.urls)} and "
    if not one.urls:
        where = f"python -m benchmark data about {dataset} says whose it is; "
    check = f" (its MD5 is {one.md5})" if one.md5 else ""
    tried = f", and it cannot be downloaded: {reason}" if reason else ""
    return UserError(
        f"{dataset} needs {one.name}, which is neither in {path.parent} nor in a --data-dir"
        f"{tried}; {where}put it there as {path}{check}{_besides(dataset, others)}"
    )


def _besides(dataset: str, others: Sequence[str]) -> str:
    if not others:
        return ""
    lacking = f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} not there either"
    return f"; {lacking} (python -m benchmark data about {dataset})"


def _accept(part: Path, one: Original) -> None:
    if one.md5 is not None and (found := md5(part)) != one.md5:
        part.unlink()  # continuing it could not mend it
        raise Incomplete(f"what came has the MD5 {found}, not {one.md5}")


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
    asked = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(asked, timeout=TIMEOUT)
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
