"""Categorical codes as one-hot vectors: the number of a category is its name, and no distance."""

import numpy as np
from numpy.typing import NDArray

from metrics.base import Codes, Integers

Categorical = NDArray[np.bool_] | None


def one_hot(codes: Codes, categorical: Categorical) -> tuple[Codes, Integers]:
    """Return codes (M, L') with one-hot vectors in place of categories, and where each code begins.

    The vectors have a column for each category that is in `codes`; other codes have one.

    Args:
        codes: (M, L).
        categorical: (L,) True for codes that are numbers of categories; None: there is none.

    Returns:
        (M, L') of the type of `codes`, they themselves where no code is categorical, and (L,) the
        first column of each code, as `np.ufunc.reduceat` takes them.
    """
    if categorical is None or not categorical.any():
        return codes, np.arange(codes.shape[1])
    columns = zip(codes.T, categorical, strict=True)
    parts = [_vectors(code) if named else code[:, None] for code, named in columns]
    widths = [part.shape[1] for part in parts]
    return np.hstack(parts), np.cumsum([0, *widths[:-1]])


def _vectors(code: Codes) -> Codes:
    vectors: Codes = (code[:, None] == np.unique(code)).astype(code.dtype)
    return vectors
