"""MNIST and Fashion-MNIST: 70,000 grey images of 28 x 28 pixels, and what each shows.

LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*, 1998,
http://yann.lecun.com/exdb/mnist/. Xiao, Rasul, Vollgraf, *Fashion-MNIST*, 2017,
https://arxiv.org/abs/1708.07747. Both are the same four files, read by torchvision.
"""

import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.registry import DATASETS, UserError
from datasets import downloads, packed_file
from datasets.base import Spec, Table
from datasets.downloads import Original

MNIST = (
    "LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, "
    "1998, http://yann.lecun.com/exdb/mnist/"
)
FASHION = "Xiao, Rasul, Vollgraf, Fashion-MNIST, 2017, https://arxiv.org/abs/1708.07747"
# What each file must be: a big-endian header (magic number, sizes), then a byte a value.
HEADERS = {
    "train-images-idx3-ubyte": (0x803, 60_000, 28, 28),
    "train-labels-idx1-ubyte": (0x801, 60_000),
    "t10k-images-idx3-ubyte": (0x803, 10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (0x801, 10_000),
}


@dataclass(frozen=True)
class Kind:
    """One of the data sets of this format.

    Attributes:
        name, source, label: as registered.
        reader: its class in torchvision.datasets, which also names the folder of its files.
        loose: whether its files are looked for outside of that folder, too.
        files: the gzipped originals, in the order of `HEADERS`.
    """

    name: str
    source: str
    label: str
    reader: str
    loose: bool
    files: tuple[Original, ...]

    @property
    def place(self) -> str:
        """The folder of its files, in the cache or the user's folder."""
        return f"{self.reader}/raw"

    @property
    def spec(self) -> Spec:
        """Shape and label."""
        return Spec(self.name, (1, 28, 28), 256, (self.label,), (10,), self.label)

    def find(self, one: Original, folder: Path | None) -> Path | None:
        """Return where a file is, gzipped or not, None where it is not on this machine."""
        within = ("", self.place, "raw") if self.loose else (self.place,)
        bases = [base for base in (folder, packed_file.root()) if base is not None]
        names = (one.name.removesuffix(".gz"), one.name)
        paths = (base / inner / name for base in bases for name in names for inner in within)
        return next((path for path in paths if path.is_file()), None)


def _files(mirrors: tuple[str, ...], **md5: str) -> tuple[Original, ...]:
    names = [f"{name}.gz" for name in HEADERS]
    pairs = zip(names, md5.values(), strict=True)
    return tuple(Original(name, tuple(m + name for m in mirrors), digest) for name, digest in pairs)


# Checksums and mirrors: torchvision 0.29.
KINDS = {
    "mnist": Kind(
        "mnist",
        MNIST,
        "digit",
        "MNIST",
        True,
        _files(
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            train_images="f68b3c2dcbeaaa9fbdd348bbdeb94873",
            train_labels="d53e105ee54ea40749a09fcbcd1e9432",
            t10k_images="9fb629c4189551a2d022fa330f9573f3",
            t10k_labels="ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    # Its files have the names of MNIST's, so they are taken from a folder of their own alone.
    "fashion_mnist": Kind(
        "fashion_mnist",
        FASHION,
        "article",
        "FashionMNIST",
        False,
        _files(
            ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
            train_images="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            train_labels="25c81989df183df01b3e8a0aad5dffbe",
            t10k_images="bef4ecab320f06d8554ea6380940ec79",
            t10k_labels="bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}


def _facts(name: str) -> dict[str, Any]:
    kind = KINDS[name]
    return {"files": kind.files, "find": kind.find, "spec": kind.spec}


@DATASETS.register("mnist", source=MNIST, images=70_000, licence="CC BY-SA 3.0", **_facts("mnist"))
def mnist(folder: Path | None = None) -> Table:
    """Return the digits: rows 0..59,999 to train on, 60,000..69,999 held out.

    Args:
        folder: holds the files, gzipped or not, in `MNIST/raw` or itself; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return _load("mnist", folder)


@DATASETS.register(
    "fashion_mnist",
    source=FASHION,
    images=70_000,
    licence="MIT",
    **_facts("fashion_mnist"),
)
def fashion_mnist(folder: Path | None = None) -> Table:
    """Return the articles: rows 0..59,999 to train on, 60,000..69,999 held out.

    Args:
        folder: holds the files, gzipped or not, in `FashionMNIST/raw`; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return _load("fashion_mnist", folder)


def _load(name: str, folder: Path | None) -> Table:
    kind = KINDS[name]
    packed = packed_file.packed(kind.spec, lambda: _contents(kind, folder), source=kind.source)
    return packed_file.table(kind.spec, packed)


def _contents(kind: Kind, folder: Path | None) -> packed_file.Contents:
    """Return images and labels, read by torchvision from files that are laid out as it wants."""
    import torchvision.datasets

    with tempfile.TemporaryDirectory() as scratch:
        pairs = zip(HEADERS, kind.files, strict=True)
        place = Path(scratch, kind.place)
        used = [_lay_out(kind, *pair, folder, place) for pair in pairs]
        reader = getattr(torchvision.datasets, kind.reader)
        train, test = (reader(scratch, train=train) for train in (True, False))
    images = np.concatenate([part.data.numpy().reshape(-1, 28 * 28) for part in (train, test)])
    labels = np.concatenate([part.targets.numpy() for part in (train, test)]).astype(np.uint8)
    held_out = np.arange(len(images)) >= len(train)
    tables = {"factors": labels[:, None], "held_out": held_out}
    return packed_file.Contents(len(images), [images], tables, downloads.about(used))


def _lay_out(kind: Kind, name: str, one: Original, folder: Path | None, place: Path) -> Original:
    """Have `place` hold the file `name` as torchvision wants it: unpacked, and whole.

    Returns:
        What it was made from; of an unpacked file no checksum is published.
    """
    place.mkdir(parents=True, exist_ok=True)
    path = kind.find(one, folder)
    if path is None:
        path = packed_file.root() / kind.place / one.name
        lacking = [f for f in kind.files if kind.find(f, folder) is None]
        downloads.fetch(kind.name, one, path, lacking)
    if path.suffix == ".gz":
        downloads.verify(path, one)
        with downloads.reading(path):
            (place / name).write_bytes(gzip.decompress(path.read_bytes()))
    else:
        (place / name).symlink_to(path.resolve())
        one = Original(path.name, one.urls, None, one.megabytes)
    _check(path, place / name)
    return one


def _check(path: Path, unpacked: Path) -> None:
    """Raise UserError unless header and size of the file are right."""
    magic, *sizes = HEADERS[unpacked.name]
    header = np.array([magic, *sizes], ">i4").tobytes()
    expected = len(header) + int(np.prod(sizes))
    with downloads.reading(path), unpacked.open("rb") as file:
        found = file.read(len(header))
    if found != header or unpacked.stat().st_size != expected:
        raise UserError(
            f"{path} is damaged: {unpacked.stat().st_size:,} bytes that begin with {found.hex()}, "
            f"not {expected:,} that begin with {header.hex()}; remove it to fetch it again"
        )
