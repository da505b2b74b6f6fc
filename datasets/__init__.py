"""Images and their factors: `from datasets import load; ds = load("dsprites")`."""

from pathlib import Path

import benchmark  # noqa: F401  (puts this checkout first on the path)
from benchmark.registry import DATASETS, UserError
from datasets.arrays import binned, packed_images
from datasets.base import Dataset, Grid, Spec, Table

__all__ = ["Dataset", "Grid", "Spec", "Table", "binned", "load", "packed_images"]


def load(name: str, folder: str | Path | None = None) -> Dataset:
    """Return the data set registered as `name`, prepared in the cache folder when it is new.

    Args:
        name: what `python -m benchmark list` shows.
        folder: where the user keeps original files; searched before the cache folder.

    Raises:
        benchmark.registry.UserError: the name is unknown, there is no such folder, or files are
            missing and cannot be had, or what they hold is not as the data set says.
    """
    if folder is not None and not Path(folder).is_dir():
        raise UserError(f"data folder {str(folder)!r} does not exist or is no folder")
    dataset: Dataset = DATASETS[name].value(None if folder is None else Path(folder))
    dataset.check()
    return dataset
