"""MNIST: 70,000 handwritten digits of 28 x 28 pixels.

LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*, 1998,
http://yann.lecun.com/exdb/mnist/. The four original files are read from the user's folder or the
cache; torchvision fetches them where neither has them.
"""

import gzip
import socket
import tempfile
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS, UserError
from datasets import cache
from datasets.base import Spec, Table

SPEC = Spec(
    name="mnist",
    shape=(1, 28, 28),
    levels=256,
    factor_names=("digit",),
    factor_sizes=(10,),
    label="digit",
)
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
PLACE = "MNIST/raw"
# What each file must be: a big-endian header (magic number, sizes), then a byte a value.
FILES = {
    "train-images-idx3-ubyte": (0x803, 60_000, 28, 28),
    "train-labels-idx1-ubyte": (0x801, 60_000),
    "t10k-images-idx3-ubyte": (0x803, 10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (0x801, 10_000),
}


@DATASETS.register(
    "mnist",
    source="LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document "
    "recognition, 1998, http://yann.lecun.com/exdb/mnist/",
    images=70_000,
)
def mnist(folder: Path | None = None) -> Table:
    """Return the data set: rows 0..59,999 to train on, 60,000..69,999 held out.

    Args:
        folder: holds the files, gzipped or not, in `MNIST/raw` or itself; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    if any(_find(name, folder) is None for name in FILES):
        _fetch(folder)
    with tempfile.TemporaryDirectory() as scratch:
        for name in FILES:
            _lay_out(name, folder, Path(scratch, PLACE))
        return _read(scratch)


def _find(name: str, folder: Path | None) -> Path | None:
    return cache.find(name, folder, PLACE, "raw") or cache.find(f"{name}.gz", folder, PLACE, "raw")


def _lay_out(name: str, folder: Path | None, place: Path) -> None:
    """Have `place` hold the file `name` as torchvision wants it: unpacked, and whole."""
    path = _find(name, folder)
    if path is None:
        raise UserError(f"{name} vanished from {folder or cache.root()}")
    place.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        (place / name).write_bytes(_unpacked(path))
    else:
        (place / name).symlink_to(path.resolve())
    _check(path, place / name)


def _unpacked(path: Path) -> bytes:
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import check_md5

    expected = dict(MNIST.resources)[path.name]
    try:
        if check_md5(path, expected):
            return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    raise UserError(f"{path} is damaged: its MD5 is not {expected}; remove it to fetch it again")


def _check(path: Path, unpacked: Path) -> None:
    """Raise UserError unless header and size of the file are right."""
    magic, *sizes = FILES[unpacked.name]
    header = np.array([magic, *sizes], ">i4").tobytes()
    expected = len(header) + int(np.prod(sizes))
    with unpacked.open("rb") as file:
        found = file.read(len(header))
    if found != header or unpacked.stat().st_size != expected:
        raise UserError(
            f"{path} is damaged: {unpacked.stat().st_size:,} bytes that begin with {found.hex()}, "
            f"not {expected:,} that begin with {header.hex()}; remove it to fetch it again"
        )


def _read(place: str) -> Table:
    from torchvision.datasets import MNIST

    parts = [MNIST(place, train=train) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    digits = np.concatenate([part.targets.numpy() for part in parts])
    train, test = np.split(np.arange(len(images)), [len(parts[0])])
    return Table(SPEC, images.reshape(len(images), -1), digits[:, None], train, test)


def _fetch(folder: Path | None) -> None:
    """Download the files into the cache: each appears there whole or not at all."""
    from torchvision.datasets import MNIST

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # a firewall that swallows packets would keep the user for minutes
    try:
        place = cache.root() / PLACE
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            MNIST(scratch, download=True)
            for name in FILES:
                Path(scratch, PLACE, name).replace(place / name)
    except (OSError, RuntimeError, HTTPException) as error:
        raise _missing(folder, str(error).strip().splitlines()[-1]) from error
    finally:
        socket.setdefaulttimeout(patience)


def _missing(folder: Path | None, reason: str) -> UserError:
    place = (folder or cache.root()) / PLACE
    missing = [f"{name}.gz" for name in FILES if _find(name, folder) is None]
    return UserError(
        f"mnist: cannot download ({reason}), and {', '.join(missing)} not found in {place}; get "
        f"them with: mkdir -p '{place}' && cd '{place}' && curl -fO '{MIRROR}"
        f"{{{','.join(missing)}}}'"
    )
