"""SVHN: 99,289 house numbers of 32 x 32 pixels, in colour, cropped to a digit.

Netzer, Wang, Coates, Bissacco, Wu, Ng, *Reading Digits in Natural Images with Unsupervised Feature
Learning*, 2011, http://ufldl.stanford.edu/housenumbers/. Read by torchvision.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS
from datasets import cache, originals
from datasets.base import Spec, Table
from datasets.originals import Original

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
    packed = cache.packed("svhn", 3 * 32 * 32, lambda: _contents(folder), source=SOURCE)
    return cache.table(SPEC, packed)


def _contents(folder: Path | None) -> cache.Contents:
    from torchvision.datasets import SVHN

    paths = originals.get("svhn", FILES, folder, "SVHN")
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            Path(scratch, path.name).symlink_to(path.resolve())
        with originals.reading(paths[0].parent, "train_32x32.mat, test_32x32.mat"):
            train, test = (SVHN(scratch, split) for split in ("train", "test"))
    labels = np.concatenate([train.labels, test.labels]).astype(np.uint8)
    held_out = np.arange(len(labels)) >= len(train.labels)
    blocks = (part.data.reshape(-1, 3 * 32 * 32) for part in (train, test))
    tables = {"factors": labels[:, None], "held_out": held_out}
    return cache.Contents(len(labels), blocks, tables, originals.about(FILES))
