"""Which factors are scored: all, those that images tell apart, or some by name."""

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import UserError, unknown
from datasets import Spec

ALL, DISTINCT = "all", "distinct"


def columns(spec: Spec, text: str) -> list[int]:
    """Return the columns of the factors that `text` asks for, in the order of the data set.

    Raises:
        UserError: it names a factor that the data set does not have.
    """
    if text in (ALL, DISTINCT):
        return list(range(len(spec.factor_names)))
    asked = [name.strip() for name in text.split(",")]
    if alone := {ALL, DISTINCT} & {*asked}:
        raise UserError(f"--factors {text}: {alone.pop()} stands alone, without names beside it")
    for name in asked:
        if name not in spec.factor_names:
            raise unknown(f"factor of {spec.name}", name, [ALL, DISTINCT, *spec.factor_names])
    return [column for column, name in enumerate(spec.factor_names) if name in asked]


def seen(factors: NDArray[np.int64], spec: Spec, text: str) -> NDArray[np.int64]:
    """Return the factors (M, K) that `text` asks for (M, any).

    "distinct": where images of two values are the same, they have the first one. The first then
    has twice as many images as others: the table is no grid any more, which no metric needs.
    """
    if text == DISTINCT:
        factors = factors.copy()
        for name, one, other in spec.same:
            column = factors[:, spec.factor_names.index(name)]
            column[column == other] = one
    return factors[:, columns(spec, text)]
