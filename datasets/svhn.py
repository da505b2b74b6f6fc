"""SVHN: 99,289 house numbers of 32 x 32 pixels, in colour, cropped to a digit.

Netzer, Wang, Coates, Bissacco, Wu, Ng, *Reading Digits in Natural Images with Unsupervised Feature
Learning*, 2011, http://ufldl.stanford.edu/housenumbers/.
"""

from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS
from datasets import downloads, prepared
from datasets.base import Spec, Table
from datasets.downloads import Original
from datasets.prepared import Labelled

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
    return prepared.labelled(SPEC, _parts, source=SOURCE, files=FILES, folder=folder)


def _parts(paths: list[Path]) -> tuple[Labelled, Labelled]:
    train, test = paths
    return _part(train), _part(test)


def _part(path: Path) -> Labelled:
    """Return images (N, 3072) and digits (N,) of X (32, 32, 3, N) and y (N, 1), where 0 is 10."""
    from scipy.io import loadmat

    with downloads.reading(path):
        held = loadmat(path)
        images, digits = held["X"].transpose(3, 2, 0, 1), held["y"].ravel() % 10
        wanted = (len(digits), 3, 32, 32)
        if images.shape != wanted or images.dtype != np.uint8:
            raise ValueError(f"its images are {images.dtype} {images.shape}, not uint8 {wanted}")
        if not np.isin(held["y"], range(11)).all():
            raise ValueError(f"its digits are {np.unique(held['y']).tolist()}, not 1 to 10")
        return images.reshape(len(images), -1), digits.astype(np.uint8)
