"""Which factors are scored: all, those that images tell apart, or some by name."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.config.parse import Names, parts
from benchmark.errors import UserError, unknown
from datasets import Spec

ALL, DISTINCT = "all", "distinct"


def parse(given: Names) -> tuple[str, ...]:
    """Return the names of factors, sorted: `all` or `distinct` alone, or a data set's own.

    Raises:
        UserError: there is none, or `all` or `distinct` stands beside others.
    """
    found = tuple(sorted({*parts(given)}))
    if not found:
        raise UserError("--factors names none; known: all, distinct, and a data set's own")
    if len(found) > 1 and (alone := {ALL, DISTINCT} & {*found}):
        one = alone.pop()
        raise UserError(f"--factors {','.join(found)}: {one} stands alone, without names beside it")
    return found


def columns(spec: Spec, names: Sequence[str]) -> list[int]:
    """Return the columns of the factors of these names, in the order of the data set.

    Raises:
        UserError: one is not the data set's.
    """
    if {*names} <= {ALL, DISTINCT}:
        return list(range(len(spec.factor_names)))
    for name in names:
        if name not in spec.factor_names:
            raise unknown(f"factor of {spec.name}", name, [ALL, DISTINCT, *spec.factor_names])
    return [column for column, name in enumerate(spec.factor_names) if name in names]


def seen(factors: NDArray[np.int64], spec: Spec, names: Sequence[str]) -> NDArray[np.int64]:
    """Return those of the factors (M, K) that have these names, (M, any).

    `distinct`: where images of two values are the same, they have the first one. The first then
    has twice as many images as others: the table is no grid any more, which no metric needs.
    """
    if DISTINCT in names:
        factors = factors.copy()
        for factor, one, other in spec.same:
            column = factors[:, spec.factor_names.index(factor)]
            column[column == other] = one
    return factors[:, columns(spec, names)]
