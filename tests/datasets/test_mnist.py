"""MNIST on tiny files of the real format: found, unpacked, fetched, missing, damaged."""

import gzip
import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmark.registry import UserError
from datasets import load, packed_file
from datasets import mnist as module

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
TRAIN, TEST = 5, 3
IMAGES = np.random.default_rng(0).integers(256, size=(TRAIN + TEST, 28, 28), dtype=np.uint8)
DIGITS = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.uint8)


def contents() -> dict[str, bytes]:
    """Return the four files: five training images and three others."""
    values = [IMAGES[:TRAIN], DIGITS[:TRAIN], IMAGES[TRAIN:], DIGITS[TRAIN:]]
    headers = [np.array(header, ">i4").tobytes() for header in module.HEADERS.values()]
    pairs = zip(headers, values, strict=True)
    return dict(zip(module.HEADERS, (a + b.tobytes() for a, b in pairs), strict=True))


def served_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the small files be the right ones, published at an address."""
    digests = [hashlib.md5(compressed(content)).hexdigest() for content in contents().values()]
    for name, files in module.FILES.items():
        small = (
            replace(one, urls=(address + one.name,), md5=digest)
            for one, digest in zip(files, digests, strict=True)
        )
        monkeypatch.setitem(module.FILES, name, tuple(small))


def compressed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@pytest.mark.skipif(not (REAL / "MNIST").is_dir(), reason="the real files are not there")
def test_the_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path))
    digits = load("mnist", REAL)
    assert (len(digits.train), len(digits.test)) == (60_000, 10_000)
    assert digits.factors(np.arange(5))[:, 0].tolist() == [5, 0, 4, 1, 9]
    counts = np.bincount(digits.factors(digits.test)[:, 0])
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert digits.images(digits.train).mean() / 255 == pytest.approx(0.1307, abs=1e-4)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have tiny files be the right ones, and the cache empty."""
    small = {
        name: (magic, TRAIN if name.startswith("train") else TEST, *sizes)
        for name, (magic, _, *sizes) in module.HEADERS.items()
    }
    monkeypatch.setattr(module, "HEADERS", small)
    served_at("http://127.0.0.1:9/", monkeypatch)
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
        path.with_name(f"{path.name}.gz").write_bytes(compressed(path.read_bytes()))
        path.unlink()


def assert_whole(folder: Path | None, name: str = "mnist") -> None:
    packed_file.location(name).unlink(missing_ok=True)
    digits = load(name, folder)
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
    assert sorted(path.name for path in root.iterdir()) == ["mnist.h5", "mnist.lock"]


def test_the_cache_is_searched_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(folder))
    assert_whole(None)


def test_gzipped_files_are_unpacked_elsewhere(folder: Path, root: Path) -> None:
    compress(folder / "MNIST" / "raw")
    assert_whole(folder)
    assert {path.suffix for path in folder.rglob("*-ubyte*")} == {".gz"}
    assert sorted(path.name for path in root.iterdir()) == ["mnist.h5", "mnist.lock"]


@pytest.mark.parametrize("name", module.HEADERS)
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
    with pytest.raises(UserError, match=f"{path} is damaged or not the published file: its MD5"):
        load("mnist", folder)


def test_without_files_and_network_the_user_is_told_what_to_do(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("mnist")
    message = str(caught.value)
    first, *others = module.FILES["mnist"]
    assert "\n" not in message
    assert all(word in message for word in (first.name, first.urls[0], str(first.md5), str(root)))
    assert "python -m benchmark data get mnist" in message
    assert all(other.name in message for other in others)
    assert all(path.suffix == ".lock" for path in root.rglob("*") if path.is_file())


def test_fashion_mnist_does_not_take_the_files_of_mnist(folder: Path) -> None:
    with pytest.raises(UserError, match="fashion_mnist needs train-images"):
        load("fashion_mnist", folder)
    with pytest.raises(UserError, match="fashion_mnist needs train-images"):
        load("fashion_mnist", folder / "MNIST" / "raw")
    (folder / "MNIST").rename(folder / "FashionMNIST")
    assert_whole(folder, "fashion_mnist")


def test_the_packed_file_needs_no_others(folder: Path) -> None:
    assert_whole(folder)
    shutil.rmtree(folder / "MNIST")
    assert len(load("mnist", folder)) == 8
    assert "train-images-idx3-ubyte.gz" in str(
        packed_file.about(packed_file.location("mnist"))["made_from"]
    )


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
        served_at(f"http://127.0.0.1:{server.server_port}/", monkeypatch)
        yield shop
        server.shutdown()


def test_files_are_fetched_once(mirror: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_whole(None)
    found = sorted(path.name for path in (root / "MNIST" / "raw").iterdir())
    assert found == sorted(f"{name}.gz" for name in module.HEADERS)
    shutil.rmtree(mirror)
    assert_whole(None)


def test_a_damaged_download_is_refused_and_fetched_again(mirror: Path, root: Path) -> None:
    path = mirror / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(UserError, match="cannot be downloaded: what came has the MD5"):
        load("mnist")
    assert not list(root.rglob("t10k-images*"))
    path.write_bytes(whole)
    assert_whole(None)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot prepare mnist in .*file: .*BENCHMARK_DATA"):
        load("mnist")
    assert packed_file.root() == tmp_path / "file"
