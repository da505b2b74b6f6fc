"""MNIST and Fashion-MNIST: 70,000 grey images of 28 x 28 pixels, and what each shows.

LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*, 1998,
http://yann.lecun.com/exdb/mnist/. Xiao, Rasul, Vollgraf, *Fashion-MNIST*, 2017,
https://arxiv.org/abs/1708.07747. Both are four files of the same names and format.
"""

import gzip
from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS, UserError
from datasets import downloads, prepared
from datasets.base import Images, Spec, Table
from datasets.downloads import Original
from datasets.prepared import Labelled

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


def _files(
    mirrors: tuple[str, ...], places: tuple[str, ...], digests: tuple[str, ...]
) -> tuple[Original, ...]:
    """Return the gzipped files in the order of `HEADERS`; unpacked ones serve as well."""
    return tuple(
        Original(f"{name}.gz", tuple(f"{m}{name}.gz" for m in mirrors), md5, 0, (name,), places)
        for name, md5 in zip(HEADERS, digests, strict=True)
    )


# Checksums, mirrors and the folders `raw`: torchvision 0.29.
FILES = {
    "mnist": _files(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        ("", "raw", "MNIST/raw"),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    # Its files have the names of MNIST's, so they are taken from a folder of their own alone.
    "fashion_mnist": _files(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        ("FashionMNIST/raw",),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}
DIGITS = Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), "digit")
ARTICLES = Spec("fashion_mnist", (1, 28, 28), 256, ("article",), (10,), "article")


@DATASETS.register(
    "mnist",
    source=MNIST,
    images=70_000,
    licence="CC BY-SA 3.0",
    files=FILES["mnist"],
    spec=DIGITS,
)
def mnist(folder: Path | None = None) -> Table:
    """Return the digits: rows 0..59,999 to train on, 60,000..69,999 held out.

    Args:
        folder: holds the files, gzipped or not, in `MNIST/raw` or itself; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return prepared.labelled(DIGITS, _parts, source=MNIST, files=FILES["mnist"], folder=folder)


@DATASETS.register(
    "fashion_mnist",
    source=FASHION,
    images=70_000,
    licence="MIT",
    files=FILES["fashion_mnist"],
    spec=ARTICLES,
)
def fashion_mnist(folder: Path | None = None) -> Table:
    """Return the articles: rows 0..59,999 to train on, 60,000..69,999 held out.

    Args:
        folder: holds the files, gzipped or not, in `FashionMNIST/raw`; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    files = FILES["fashion_mnist"]
    return prepared.labelled(ARTICLES, _parts, source=FASHION, files=files, folder=folder)


def _parts(paths: list[Path]) -> tuple[Labelled, Labelled]:
    train, digits, test, others = (
        _values(path, *header) for path, header in zip(paths, HEADERS.values(), strict=True)
    )
    return (train, digits), (test, others)


def _values(path: Path, magic: int, count: int, *sizes: int) -> Images:
    """Return the values of a file, (count,) labels or (count, pixels).

    Raises:
        UserError: header or size are not those of the published file.
    """
    with downloads.reading(path):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    header = np.array([magic, count, *sizes], ">i4").tobytes()
    expected = len(header) + count * int(np.prod(sizes))
    if not content.startswith(header) or len(content) != expected:
        raise UserError(
            f"{path} is damaged: {len(content):,} bytes that begin with "
            f"{content[: len(header)].hex()}, not {expected:,} that begin with {header.hex()}; "
            "remove it to fetch it again"
        )
    values = np.frombuffer(content, np.uint8, offset=len(header))
    return values.reshape(count, -1) if sizes else values
