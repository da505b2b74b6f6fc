"""The arrays that a run stores: codes, generated images' factors, traversals."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Codes(NamedTuple):
    """The codes of M images.

    Attributes:
        codes: (M, L) float32, or uint8 where the code is the image itself.
        rows: (M,) int64, the row of the data set that each line encodes.
        names: the L codes' names.
        kinds: the L codes' kinds (normal, uniform, categorical, noise, ...).
        std: (M, L) float16, the standard deviations of the codes' posteriors, if they have any.
        squared_errors: (n,) float32, of images that were encoded and decoded again, the mean over
            pixels, if the method decodes.
    """

    codes: NDArray[Any]
    rows: NDArray[np.int64]
    names: Sequence[str]
    kinds: Sequence[str]
    std: NDArray[Any] | None = None
    squared_errors: NDArray[Any] | None = None


class Generated(NamedTuple):
    """Codes drawn from the prior, and what an oracle reads in the images made of them.

    Attributes:
        codes: (M, L) float32, without noise.
        factors: (M, K) int64, as the oracle reads them.
        names, kinds: of the L codes.
        accuracy: (K,), how often the oracle reads each factor rightly in real images.
    """

    codes: NDArray[Any]
    factors: NDArray[np.int64]
    names: Sequence[str]
    kinds: Sequence[str]
    accuracy: NDArray[np.float64]


class Traversal(NamedTuple):
    """Images along each of R codes.

    Attributes:
        strips: (R, V, C, H, W) uint8, 0..255.
        names: the R codes' names.
        values: (R, V), the value that the code takes in each image, in the code's own unit; NaN
            where there is no image.
        title: what the pictures show.
    """

    strips: NDArray[np.uint8]
    names: list[str]
    values: NDArray[np.float64]
    title: str


def check_table(
    codes: NDArray[Any], names: Sequence[str], kinds: Sequence[str], **column: NDArray[Any]
) -> None:
    """Raise ValueError unless codes (M, L) have a column (M,) beside them, L names and L kinds."""
    ((what, beside),) = column.items()
    if codes.ndim != 2 or beside.shape != codes.shape[:1]:
        raise ValueError(f"codes {codes.shape} and {what} {beside.shape} are not (M, L) and (M,)")
    if not len(names) == len(kinds) == codes.shape[1]:
        raise ValueError(f"{len(names)} names and {len(kinds)} kinds, {codes.shape[1]} codes")
