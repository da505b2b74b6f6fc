"""What a data set is: uint8 images, integer factors, and sampling by conditions on the factors."""

import math
from abc import ABC, abstractmethod
from functools import cache
from typing import ClassVar

import numpy as np

from datasets.arrays import Images, Index, Integers, numbered
from datasets.image_chunks import Chunks
from datasets.spec import Spec, check_factors, check_rows, field_error

__all__ = ["TABLE_ROWS", "Dataset", "Grid", "Images", "Index", "Rows", "Spec", "Table"]

TABLE_ROWS = 50_000
"""Images of the fixed table that is encoded and scored where not all are."""
Rows = Images | Chunks
"""(N, bytes) uint8 that are indexed by row numbers or a slice."""


class Dataset(ABC):
    """Images by row number, with their factors.

    Attributes:
        spec: shape, levels, factors: all that a method may know.
        train, test: the rows that methods train on, and those held out. Where the field has no
            split (full grids) both are all rows.
        packed: (N, bytes) uint8: for `levels == 2` eight pixels a byte, most significant bit first;
            otherwise one byte a pixel. In (C, H, W) order.
        on_the_fly: whether `images` makes more of `packed` than to unpack it.
    """

    spec: Spec
    train: Index
    test: Index
    packed: Rows
    on_the_fly: ClassVar[bool] = False

    def check(self) -> None:
        """See that images, rows and the grid are as the specification has it; reads no image.

        Raises:
            UserError: one is not.
        """
        spec, shape = self.spec, tuple(np.shape(self.packed))
        kind = getattr(self.packed, "dtype", type(self.packed).__name__)
        if not isinstance(self.packed, Chunks) and kind != np.uint8:
            expected = "uint8 in 0..255 (floats in 0..1: (255 * images).round())"
            raise field_error(spec.name, "packed", expected, kind)
        if len(shape) != 2 or (shape[1] != spec.size and not self.on_the_fly):
            pixels = "8 pixels a byte" if spec.levels == 2 else "a byte a pixel"
            expected = f"(N, {spec.size}), {pixels} (see packed_images)"
            raise field_error(spec.name, "packed", expected, shape)
        for field, rows in (("train", self.train), ("test", self.test)):
            check_rows(spec.name, field, rows, len(self))
        if spec.grid and len(self) != math.prod(spec.factor_sizes):
            expected = f"{math.prod(spec.factor_sizes):,} images, the product of the factor_sizes"
            raise field_error(spec.name, "packed", expected, f"{len(self):,}")

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def name(self) -> str:
        """The registered name."""
        return self.spec.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.spec.shape

    @property
    def levels(self) -> int:
        """Images take the values 0..levels-1."""
        return self.spec.levels

    @property
    def factor_names(self) -> tuple[str, ...]:
        """The ground-truth factors, in the order of the columns of `factors`."""
        return self.spec.factor_names

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """How many values each factor takes."""
        return self.spec.factor_sizes

    def images(self, index: Index) -> Images:
        """Return images (n, C, H, W), uint8 in 0..levels-1, of the rows `index` (n,)."""
        rows = self.packed[numbered(index, len(self))]
        if self.levels == 2:
            rows = np.unpackbits(rows, axis=1, count=int(np.prod(self.shape)))
        return rows.reshape(-1, *self.shape)

    @abstractmethod
    def factors(self, index: Index) -> Index:
        """Return factors (n, K), int64, of the rows `index` (n,)."""

    def table_rows(self, size: int | None = None) -> Index:
        """Return the rows (m,) of the fixed table of `size` images, sorted; all rows for None.

        They are the same for all methods, and all of a data set that has no more.
        """
        if size is None or len(self) <= size:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(0).choice(len(self), size, replace=False))

    def sample(self, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows, drawn with replacement."""
        return self.train[rng.integers(len(self.train), size=n)]

    @abstractmethod
    def sample_fixed(self, factor: int, value: int, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows in which `factor` has `value` and the rest is random.

        Raises:
            ValueError: no image has that value.
        """

    @abstractmethod
    def sample_varying(self, factor: int, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows that agree in every factor but `factor`, which is random.

        Raises:
            ValueError: no two images differ in that factor alone.
        """

    @abstractmethod
    def sample_pairs(
        self, factor: int | None, n: int, rng: np.random.Generator
    ) -> tuple[Index, Index]:
        """Return two lists of n training rows: the rows of a pair differ in one factor alone.

        That is `factor` or, if it is None, one that is drawn for each pair.

        Raises:
            ValueError: no two images differ in that factor alone.
        """


class Grid(Dataset):
    """A data set that holds every combination of its factors once: row numbers are arithmetic.

    Args:
        spec: with `grid=True`.
        packed: (N, bytes), as `Dataset.packed`, in the order of the grid.
    """

    def __init__(self, spec: Spec, packed: Rows) -> None:
        self.spec, self.packed = spec, packed
        self.train = self.test = np.arange(len(packed))
        self.check()

    def check(self) -> None:
        """See that all is as the specification has it."""
        if not self.spec.grid:
            raise field_error(self.name, "grid", "True for a Grid", self.spec.grid)
        super().check()

    def index(self, factors: Index) -> Index:
        """Return the rows (n,) of the images with `factors` (n, K).

        Raises:
            ValueError: a factor is outside 0..size-1.
        """
        rows: Index = np.ravel_multi_index(tuple(factors.T), self.factor_sizes)
        return rows

    def factors(self, index: Index) -> Index:
        """Return factors (n, K), int64, of the rows `index` (n,)."""
        rows = numbered(index, len(self))
        factors: Index = np.stack(np.unravel_index(rows, self.factor_sizes), axis=1)
        return factors

    def sample_fixed(self, factor: int, value: int, n: int, rng: np.random.Generator) -> Index:
        """Return n rows in which `factor` has `value` and the rest is random."""
        if value not in range(self.factor_sizes[factor]):
            name = self.factor_names[factor]
            raise ValueError(f"no image of {self.name} has {name!r} = {value}")
        factors = rng.integers(self.factor_sizes, size=(n, len(self.factor_sizes)))
        factors[:, factor] = value
        return self.index(factors)

    def sample_varying(self, factor: int, n: int, rng: np.random.Generator) -> Index:
        """Return n rows that agree in every factor but `factor`, which is random."""
        factors = np.repeat(rng.integers(self.factor_sizes)[None], n, axis=0)
        factors[:, factor] = rng.integers(self.factor_sizes[factor], size=n)
        return self.index(factors)

    def sample_pairs(
        self, factor: int | None, n: int, rng: np.random.Generator
    ) -> tuple[Index, Index]:
        """Return two lists of n rows: the rows of a pair differ in one factor alone."""
        sizes = np.array(self.factor_sizes)
        factors = rng.integers(sizes, size=(n, len(sizes)))
        column = rng.choice(np.flatnonzero(sizes > 1) if factor is None else [factor], n)
        size = sizes[column]
        if size.min() < 2:
            raise ValueError(f"{self.factor_names[column[0]]!r} of {self.name} has one value")
        other = factors.copy()
        other[np.arange(n), column] += rng.integers(1, size)
        return self.index(factors), self.index(other % sizes)


class Table(Dataset):
    """A data set whose factors are a table: sampling goes by an inverted index.

    Args:
        spec: with `grid=False`.
        packed: (N, bytes), as `Dataset.packed`.
        table: (N, K) factors, whole numbers of any type.
        train: rows to train on.
        test: rows held out.
    """

    def __init__(
        self, spec: Spec, packed: Rows, table: Integers, train: Index, test: Index
    ) -> None:
        self.spec, self.packed, self.table = spec, packed, np.asarray(table)
        self.train, self.test = np.asarray(train), np.asarray(test)
        self._rows, self._groups = cache(self._find_rows), cache(self._find_groups)
        self.check()

    def check(self) -> None:
        """See that all is as the specification has it, the factors too."""
        if self.spec.grid:
            raise field_error(self.name, "grid", "False for a Table", self.spec.grid)
        super().check()
        check_factors(self.spec, self.table, len(self))

    def factors(self, index: Index) -> Index:
        """Return factors (n, K), int64, of the rows `index` (n,)."""
        factors: Index = self.table[numbered(index, len(self))].astype(np.int64)
        return factors

    def sample_fixed(self, factor: int, value: int, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows in which `factor` has `value`."""
        rows = self._rows(factor).get(value)
        if rows is None:
            raise ValueError(f"no training image of {self.name} has {self._say(factor)} = {value}")
        return rows[rng.integers(len(rows), size=n)]

    def sample_varying(self, factor: int, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows that agree in every factor but `factor`."""
        groups = self._groups(factor)
        if not groups:
            raise ValueError(f"no two images of {self.name} differ in {self._say(factor)} alone")
        rows = groups[rng.integers(len(groups))]
        return rows[rng.integers(len(rows), size=n)]

    def sample_pairs(
        self, factor: int | None, n: int, rng: np.random.Generator
    ) -> tuple[Index, Index]:
        """Return two lists of n training rows: the rows of a pair differ in one factor alone."""
        columns = range(len(self.factor_sizes)) if factor is None else [factor]
        known = [column for column in columns if self._groups(column)]
        if not known:
            what = "one factor" if factor is None else self._say(factor)
            raise ValueError(f"no two images of {self.name} differ in {what} alone")
        pairs = [self._pair(int(column), rng) for column in rng.choice(known, n)]
        first, second = np.array(pairs).T
        return first, second

    def _pair(self, factor: int, rng: np.random.Generator) -> tuple[int, int]:
        groups = self._groups(factor)
        rows = groups[rng.integers(len(groups))]
        first = rows[rng.integers(len(rows))]
        others = rows[self.table[rows, factor] != self.table[first, factor]]
        return int(first), int(others[rng.integers(len(others))])

    def _say(self, factor: int) -> str:
        return repr(self.factor_names[factor])

    def _find_rows(self, factor: int) -> dict[int, Index]:
        """Return the training rows of each value of `factor`."""
        column = self.table[self.train, factor]
        order = np.argsort(column, kind="stable")
        values, starts = np.unique(column[order], return_index=True)
        return dict(zip(values.tolist(), np.split(self.train[order], starts[1:]), strict=True))

    def _find_groups(self, factor: int) -> list[Index]:
        """Return the groups of training rows that differ in `factor` and agree in the others."""
        others = np.delete(self.table[self.train], factor, axis=1)
        _, group = np.unique(others, axis=0, return_inverse=True)
        order = np.argsort(group, kind="stable")
        groups = np.split(self.train[order], np.cumsum(np.bincount(group))[:-1])
        return [rows for rows in groups if np.ptp(self.table[rows, factor]) > 0]
