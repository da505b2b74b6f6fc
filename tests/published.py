"""What the tests of loaders share: small archives stand in for the published ones."""

import gc
import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.registry import UserError
from datasets import Dataset, load, packed_file
from datasets.base import Images
from datasets.downloads import Original

NOWHERE = "http://127.0.0.1:9/"


def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, which is empty, as the cache is, and have no network."""
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def right(one: Original, folder: Path, checked: bool = True) -> Original:
    """Return the original as if the small file in `folder` were the published one."""
    digest = hashlib.md5((folder / one.name).read_bytes()).hexdigest() if checked else None
    return replace(one, urls=(NOWHERE + one.name,), md5=digest)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def loaded(name: str, folder: Path, *made_from: str) -> Dataset:
    """Return the data set as it is loaded a second time, when no original is there any more.

    The first time must have written a packed file that says what it was made from, and no other.
    """
    before = contents(folder)
    first = load(name, folder)
    assert contents(folder) == before
    assert {f"{name}.h5", f"{name}.lock"} <= {path.name for path in packed_file.root().iterdir()}
    assert {path.suffix for path in packed_file.root().rglob("*")} == {".h5", ".lock"}
    said = str(packed_file.about(packed_file.location(name))["made_from"])
    assert all(original in said for original in made_from)
    second = load(name)
    assert (second.packed[:] == first.packed[:]).all()
    assert second.spec == first.spec
    return second


def everything(dataset: Dataset) -> tuple[Images, list[list[int]]]:
    """Return all images and all factors."""
    rows = np.arange(len(dataset))
    return dataset.images(rows), dataset.factors(rows).tolist()


def refused(name: str, folder: Path | None, *says: str) -> None:
    """Have the data set be refused in one line that says so and what to do, and leave no file."""
    before = {} if folder is None else contents(folder)
    with pytest.raises(UserError) as caught:
        load(name, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert "fetch it again" in message or "put it there" in message, message
    for words in says:
        assert words in message, message
    assert not packed_file.location(name).exists()
    assert not list(packed_file.root().rglob("*.part"))
    assert folder is None or contents(folder) == before


def assert_silent_after(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Have the progress bar end before the error, which the user is to see last, comes."""
    with pytest.raises(UserError) as caught:
        load(name, folder)
    assert "Packing" in capsys.readouterr().err
    del caught
    gc.collect()
    assert capsys.readouterr().err == ""


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def trap(path: Path) -> Trap:
    """Return a trap that was seen to make the file `path`, which is not there now."""
    made = Trap(path)
    pickle.loads(pickle.dumps(made))
    path.unlink()
    return made


def cut(path: Path, part: float = 0.6) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])


def spoil(path: Path, where: bytes, count: int = 64) -> None:
    """Overwrite some bytes of a file, from the place on that holds `where`."""
    content = path.read_bytes()
    assert content.count(where) == 1
    start = content.index(where)
    path.write_bytes(content[:start] + b"\xaa" * count + content[start + count :])


def tarred(path: Path, files: Mapping[str, bytes], mode: str = "w") -> None:
    """Write a tar of files, in their order, under just the names that are given."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
