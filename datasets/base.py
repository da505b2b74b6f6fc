"""What a data set is: uint8 images, integer factors, and sampling by conditions on the factors."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.registry import UserError
from datasets.image_chunks import Chunks

Index = NDArray[np.int64]
Images = NDArray[np.uint8]
Integers = NDArray[Any]
TABLE_ROWS = 50_000
"""Images of the fixed table that is encoded and scored where not all are."""
Rows = Images | Chunks
"""(N, bytes) uint8 that are indexed by row numbers or a slice."""


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


def numbered(index: ArrayLike, n: int) -> Index:
    """Return the row numbers (m,), int64 in 0..n-1, that an index of n rows means.

    Args:
        index: (m,) whole numbers, negative ones counted from the end, or a mask (n,).
        n: how many rows there are.

    Raises:
        IndexError: it is neither, or a row is not there.
    """
    rows = np.asarray(index)
    if rows.dtype == bool and rows.shape == (n,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise IndexError(
            f"rows are (m,) whole numbers or a mask ({n},), not {rows.dtype} {rows.shape}"
        )
    rows = rows.astype(np.int64)
    if rows.size and not (-n <= rows.min() and rows.max() < n):
        raise IndexError(f"rows are in 0..{n - 1}, not {rows.min()}..{rows.max()}")
    return np.where(rows < 0, rows + n, rows)


def _check_rows(dataset: str, field: str, rows: Index, count: int) -> None:
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        expected = "row numbers, one or more (of a mask: np.flatnonzero)"
        raise field_error(dataset, field, expected, f"{rows.dtype} {rows.shape}")
    if not 0 <= rows.min() <= rows.max() < count:
        expected = f"rows of the {count:,} images, 0..{count - 1}"
        raise field_error(dataset, field, expected, f"{rows.min()}..{rows.max()}")


def _check_factors(spec: Spec, table: Integers, count: int) -> None:
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


def packed_images(images: NDArray[Any], levels: int) -> Images:
    """Return images (N, C, H, W), uint8 in 0..levels-1, as `Dataset.packed` has them (N, bytes).

    Raises:
        UserError: they are not such images.
    """
    kind, shape = images.dtype, images.shape
    if kind != np.uint8:
        said = "uint8 (floats in 0..1: (255 * images).round().astype(np.uint8))"
        raise UserError(f"images must be {said}; found {kind}")
    if images.ndim != 4 or shape[1] not in (1, 3) or 0 in shape:
        said = "(N, C, H, W), C 1 or 3 (of (N, H, W, C): images.transpose(0, 3, 1, 2))"
        raise UserError(f"images must be {said}; found {shape}")
    if levels not in (2, 256) or images.max() >= levels:
        said = f"levels=2 is of images in 0..1, levels=256 of 0..255; found levels={levels}"
        raise UserError(f"{said} and 0..{images.max()}")
    rows = images.reshape(len(images), -1)
    return np.packbits(rows, axis=1) if levels == 2 else rows


def binned(values: NDArray[Any], bins: int) -> tuple[Index, tuple[int, ...]]:
    """Return factors (N, K) of continuous values (N, K), and the sizes: `bins` for each.

    Bins are of equal width over the range of each column.

    Raises:
        UserError: values are no finite table, or there are fewer than two bins.
    """
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.size == 0:
        raise UserError(f"values must be numbers (N, K); found {values.dtype} {values.shape}")
    if not np.isfinite(values).all():
        raise UserError("values must be finite; found NaN or infinity")
    if bins < 2:
        raise UserError(f"bins must be 2 or more; found {bins}")
    low, high = (values.astype(np.float64) for values in (values.min(0), values.max(0)))
    width = np.where(high > low, high - low, 1)
    factors = np.floor((values - low) / width * bins).astype(np.int64)
    return np.minimum(factors, bins - 1), (bins,) * values.shape[1]


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
            _check_rows(spec.name, field, rows, len(self))
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
        self._rows: dict[int, dict[int, Index]] = {}
        self._peers: dict[int, list[Index]] = {}
        self.check()

    def check(self) -> None:
        """See that all is as the specification has it, the factors too."""
        if self.spec.grid:
            raise field_error(self.name, "grid", "False for a Table", self.spec.grid)
        super().check()
        _check_factors(self.spec, self.table, len(self))

    def factors(self, index: Index) -> Index:
        """Return factors (n, K), int64, of the rows `index` (n,)."""
        factors: Index = self.table[numbered(index, len(self))].astype(np.int64)
        return factors

    def sample_fixed(self, factor: int, value: int, n: int, rng: np.random.Generator) -> Index:
        """Return n training rows in which `factor` has `value`."""
        if factor not in self._rows:
            self._rows[factor] = self._find_rows(factor)
        rows = self._rows[factor].get(value)
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

    def _groups(self, factor: int) -> list[Index]:
        if factor not in self._peers:
            self._peers[factor] = self._find_peers(factor)
        return self._peers[factor]

    def _say(self, factor: int) -> str:
        return repr(self.factor_names[factor])

    def _find_rows(self, factor: int) -> dict[int, Index]:
        """Return the training rows of each value of `factor`."""
        column = self.table[self.train, factor]
        order = np.argsort(column, kind="stable")
        values, starts = np.unique(column[order], return_index=True)
        return dict(zip(values.tolist(), np.split(self.train[order], starts[1:]), strict=True))

    def _find_peers(self, factor: int) -> list[Index]:
        """Return the groups of training rows that differ in `factor` and agree in the others."""
        others = np.delete(self.table[self.train], factor, axis=1)
        _, group = np.unique(others, axis=0, return_inverse=True)
        order = np.argsort(group, kind="stable")
        groups = np.split(self.train[order], np.cumsum(np.bincount(group))[:-1])
        return [rows for rows in groups if np.ptp(self.table[rows, factor]) > 0]
