"""MNIST on tiny files of the real format: found, unpacked, fetched, missing, damaged."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from benchmark.registry import UserError
from datasets import cache, load
from datasets import mnist as module

TRAIN, TEST = 5, 3
IMAGES = np.random.default_rng(0).integers(256, size=(TRAIN + TEST, 28, 28), dtype=np.uint8)
DIGITS = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.uint8)


def contents() -> dict[str, bytes]:
    """Return the four files: five training images and three others."""
    values = [IMAGES[:TRAIN], DIGITS[:TRAIN], IMAGES[TRAIN:], DIGITS[TRAIN:]]
    headers = [np.array(header, ">i4").tobytes() for header in module.FILES.values()]
    pairs = zip(headers, values, strict=True)
    return dict(zip(module.FILES, (a + b.tobytes() for a, b in pairs), strict=True))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have tiny files be the right ones, and the cache empty."""
    small = {
        name: (magic, TRAIN if name.startswith("train") else TEST, *sizes)
        for name, (magic, _, *sizes) in module.FILES.items()
    }
    monkeypatch.setattr(module, "FILES", small)
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    md5s = [
        (f"{name}.gz", hashlib.md5(gzip.compress(content, mtime=0)).hexdigest())
        for name, content in contents().items()
    ]
    monkeypatch.setattr(MNIST, "resources", md5s)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder, with the four files in it."""
    place = tmp_path / "mine" / "MNIST" / "raw"
    place.mkdir(parents=True)
    for name, content in contents().items():
        (place / name).write_bytes(content)
    return tmp_path / "mine"


def compress(place: Path) -> None:
    for path in list(place.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def assert_whole(folder: Path | None) -> None:
    digits = load("mnist", folder)
    assert (digits.images(np.arange(8)) == IMAGES[:, None]).all()
    assert (digits.factors(np.arange(8))[:, 0] == DIGITS).all()
    assert (digits.train.tolist(), digits.test.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])
    assert set(digits.sample(100, np.random.default_rng(0))) == {0, 1, 2, 3, 4}
    assert set(digits.sample_fixed(0, 1, 100, np.random.default_rng(0))) == {1, 3}


def test_the_users_files_are_read_where_they_lie(folder: Path, root: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert_whole(folder)
    assert_whole(folder / "MNIST")
    assert_whole(folder / "MNIST" / "raw")
    assert sorted(folder.rglob("*")) == before
    assert not root.exists()


def test_the_cache_is_searched_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(folder))
    assert_whole(None)


def test_gzipped_files_are_unpacked_elsewhere(folder: Path, root: Path) -> None:
    compress(folder / "MNIST" / "raw")
    assert_whole(folder)
    assert {path.suffix for path in folder.rglob("*-ubyte*")} == {".gz"}
    assert not root.exists()


@pytest.mark.parametrize("name", module.FILES)
def test_a_truncated_file_is_named(folder: Path, name: str) -> None:
    path = folder / "MNIST" / "raw" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path} is damaged"):
        load("mnist", folder)


def test_a_file_of_another_kind_is_named(folder: Path) -> None:
    path = folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(b"<ht" + path.read_bytes()[3:])
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is damaged"):
        load("mnist", folder)


def test_a_damaged_gzip_is_named(folder: Path) -> None:
    compress(folder / "MNIST" / "raw")
    path = folder / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=f"{path} is damaged: its MD5"):
        load("mnist", folder)


def test_without_files_and_network_the_user_is_told_what_to_do(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("mnist")
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{name}.gz" in message for name in module.FILES)
    assert f"cd '{root}/MNIST/raw' && curl" in message
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a server on this machine deals in torchvision's mirror's place."""
    shop = tmp_path / "mirror"
    shop.mkdir()
    for name, content in contents().items():
        (shop / name).write_bytes(content)
    compress(shop)

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(shop))) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        yield shop
        server.shutdown()


def test_files_are_fetched_once(mirror: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_whole(None)
    assert sorted(p.name for p in (root / "MNIST" / "raw").iterdir()) == sorted(module.FILES)
    monkeypatch.setattr(MNIST, "mirrors", [])
    assert_whole(None)


def test_an_interrupted_download_leaves_nothing(mirror: Path, root: Path) -> None:
    path = mirror / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(UserError, match="cannot download"):
        load("mnist")
    assert not [path for path in root.rglob("*") if path.is_file()]
    path.write_bytes(whole)
    assert_whole(None)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match="Not a directory"):
        load("mnist")
    assert cache.root() == tmp_path / "file"
