"""SVHN: 99,289 house numbers of 32 x 32 pixels, in colour, cropped to a digit.

Netzer, Wang, Coates, Bissacco, Wu, Ng, *Reading Digits in Natural Images with Unsupervised Feature
Learning*, 2011, http://ufldl.stanford.edu/housenumbers/. Read by torchvision.
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import DATASETS
from datasets import downloads, packed_file
from datasets.base import Images, Spec, Table
from datasets.downloads import Original

SOURCE = (
    "Netzer, Wang, Coates, Bissacco, Wu, Ng, Reading Digits in Natural Images with Unsupervised "
    "Feature Learning, 2011, http://ufldl.stanford.edu/housenumbers/"
)
URL = "http://ufldl.stanford.edu/housenumbers/"
# Checksums: torchvision 0.29.
FILES = (
    Original(
        "train_32x32.mat", (URL + "train_32x32.mat",), "e26dedcc434d2e4c54c9b2d4a06d8373", 182
    ),
    Original("test_32x32.mat", (URL + "test_32x32.mat",), "eb5a983be6a315427106f1b164d9cef3", 64),
)
SPEC = Spec("svhn", (3, 32, 32), 256, ("digit",), (10,), "digit")


@DATASETS.register(
    "svhn", source=SOURCE, images=99_289, licence="non-commercial use", files=FILES, spec=SPEC
)
def svhn(folder: Path | None = None) -> Table:
    """Return the digits: rows 0..73,256 to train on, the 26,032 after them held out.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    packed = packed_file.packed(SPEC, lambda: _contents(folder), source=SOURCE)
    return packed_file.table(SPEC, packed)


def _contents(folder: Path | None) -> packed_file.Contents:
    train, test = downloads.get("svhn", FILES, folder)
    (images, digits), (others, more) = _part(train, "train"), _part(test, "test")
    labels = np.concatenate([digits, more])
    tables = {"factors": labels[:, None], "held_out": np.arange(len(labels)) >= len(digits)}
    return packed_file.Contents(len(labels), (images, others), tables, downloads.about(FILES))


def _part(path: Path, split: str) -> tuple[Images, NDArray[np.uint8]]:
    """Return images (N, 3072) and digits (N,), read by torchvision from where it looks for them."""
    from torchvision.datasets import SVHN

    with tempfile.TemporaryDirectory() as scratch, downloads.reading(path):
        Path(scratch, path.name).symlink_to(path.resolve())
        part = SVHN(scratch, split)
        images, digits = part.data, part.labels
        wanted = (len(digits), 3, 32, 32)
        if images.shape != wanted or images.dtype != np.uint8:
            raise ValueError(f"its images are {images.dtype} {images.shape}, not uint8 {wanted}")
        if not np.isin(digits, range(10)).all():
            raise ValueError(f"its digits are {np.unique(digits).tolist()}, not 0 to 9")
        return images.reshape(len(images), -1), digits.astype(np.uint8)
