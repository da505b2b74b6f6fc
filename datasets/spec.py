"""What a method may know of a data set, and the checks of what a data set says of itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmark.registry import UserError
from datasets.arrays import Index, Integers


@dataclass(frozen=True)
class Spec:
    """What a method may know of a data set.

    Attributes:
        name: the registered name.
        shape: (C, H, W) of an image.
        levels: images take the values 0..levels-1: 2 or 256.
        factor_names: the K ground-truth factors, in order.
        factor_sizes: how many values each takes; values are 0..size-1.
        label: the name of the factor that is *the* label, if there is one.
        grid: whether every combination of factors is there once, row-major, the last one fastest.
        same: pairs of values of a factor whose images are the same: its name, the two values.

    Raises:
        UserError: a field is not so.
    """

    name: str
    shape: tuple[int, int, int]
    levels: int
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    label: str | None = None
    grid: bool = False
    same: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        for field, expected, holds in self._promises():
            if not holds:
                raise field_error(self.name, field, expected, getattr(self, field))

    def _promises(self) -> Iterator[tuple[str, str, bool]]:
        """Yield a field, what it is to be, and whether it is; a later one may need the earlier."""
        names, sizes = self.factor_names, self.factor_sizes
        yield "shape", "(C, H, W), C 1 or 3", _whole(self.shape, 1) and len(self.shape) == 3
        yield "shape", "(C, H, W), C 1 or 3, not (H, W, C)", self.shape[0] in (1, 3)
        yield "levels", "2 or 256", self.levels in (2, 256)
        yield "factor_names", "different names", len(set(names)) == len(names)
        yield "factor_sizes", f"{len(names)} numbers, one a name", len(sizes) == len(names)
        yield "factor_sizes", "whole numbers of at least 1", _whole(sizes, 1)
        yield "label", f"None or one of {list(names)}", self.label in (None, *names)
        same = all(name in names for name, *_ in self.same)
        yield "same", f"pairs of values of {list(names)}", same

    @property
    def label_column(self) -> int | None:
        """The column of `factors` that holds the label."""
        return None if self.label is None else self.factor_names.index(self.label)

    @property
    def size(self) -> int:
        """The bytes of a packed image: a bit a pixel where there are two levels."""
        pixels = int(np.prod(self.shape))
        return -(-pixels // 8) if self.levels == 2 else pixels

    @property
    def factors(self) -> str:
        """The factors and how many values each takes, as text."""
        pairs = zip(self.factor_names, self.factor_sizes, strict=True)
        return ", ".join(f"{name} {size}" for name, size in pairs)


def field_error(dataset: str, field: str, expected: str, found: object) -> UserError:
    """Return the error that says what a field of a data set is to be, and what it is."""
    return UserError(f"data set {dataset!r}: {field} must be {expected}; found {found}")


def _whole(values: Iterable[object], least: int) -> bool:
    return all(isinstance(value, (int, np.integer)) and value >= least for value in values)


def check_rows(dataset: str, field: str, rows: Index, count: int) -> None:
    """Raise UserError unless the rows of a field (train or test) are some of `count` images."""
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        expected = "row numbers, one or more (of a mask: np.flatnonzero)"
        raise field_error(dataset, field, expected, f"{rows.dtype} {rows.shape}")
    if not 0 <= rows.min() <= rows.max() < count:
        expected = f"rows of the {count:,} images, 0..{count - 1}"
        raise field_error(dataset, field, expected, f"{rows.min()}..{rows.max()}")


def check_factors(spec: Spec, table: Integers, count: int) -> None:
    """Raise UserError unless the table of factors is that of `count` images of the spec."""
    names = spec.factor_names
    if table.shape != (count, len(names)):
        expected = f"({count}, {len(names)}), a row an image and a column a name"
        raise field_error(spec.name, "factors", expected, table.shape)
    if table.dtype.kind not in "iuf":
        raise field_error(spec.name, "factors", "of an integer type", table.dtype)
    for name, size, column in zip(names, spec.factor_sizes, table.T, strict=True):
        low, high, broken = column.min(), column.max(), column[column != np.round(column)]
        if broken.size:
            expected = "integers 0..size-1 (continuous values: datasets.binned(values, bins))"
            found = f"{broken[0]:.6g}, in {low:.6g}..{high:.6g}"
            raise field_error(spec.name, f"factor {name!r}", expected, found)
        if not 0 <= low <= high < size:
            raise field_error(spec.name, f"factor {name!r}", f"0..{size - 1}", f"{low}..{high}")
