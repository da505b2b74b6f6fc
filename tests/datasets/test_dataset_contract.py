"""What every data set promises, and where its files lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.registry import DATASETS, Entry, UserError
from datasets import Dataset, Grid, Spec, Table, binned, load, packed_images

NO_FILE_NEEDED = ["dsprites", "toy", "faces_drawn", "color_dsprites", "noisy_dsprites"]
SETS = [*NO_FILE_NEEDED, "table"]
SLOW = pytest.mark.slow
"""Drawn faces take half a minute to draw."""
Rows = NDArray[np.uint8]


def table() -> Table:
    """Three factors; no two images differ in the last one alone, and row 5 is held out."""
    factors = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [2, 1, 1], [3, 0, 0]])
    spec = Spec("table", (1, 1, 2), 256, ("a", "b", "c"), (4, 2, 2), label="a")
    packed = np.arange(12, dtype=np.uint8).reshape(6, 2)
    return Table(spec, packed, factors, train=np.arange(5), test=np.array([5]))


@pytest.fixture(
    params=[pytest.param(n, marks=SLOW) if n == "faces_drawn" else n for n in SETS], scope="module"
)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return table() if request.param == "table" else load(request.param)


def test_every_registered_data_set_says_where_it_is_from() -> None:
    assert {"dsprites", "mnist", "toy"} <= set(DATASETS.names())
    for name in DATASETS.names():
        assert DATASETS[name].source
        assert DATASETS[name].facts["images"] > 0


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'dsprites'"):
        load("dsprite")


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        load("toy", tmp_path / "nowhere")


def test_images_and_factors_are_as_the_spec_says(dataset: Dataset) -> None:
    index = dataset.sample(50, np.random.default_rng(0))
    images, factors = dataset.images(index), dataset.factors(index)
    assert (images.dtype.name, images.shape) == ("uint8", (50, *dataset.shape))
    assert images.max() < dataset.levels
    assert (factors.dtype.name, factors.shape) == ("int64", (50, len(dataset.factor_sizes)))
    assert (factors >= 0).all()
    assert (factors < dataset.factor_sizes).all()
    assert len(dataset.factor_names) == len(dataset.factor_sizes)
    label = dataset.spec.label
    assert dataset.spec.label_column == (
        None if label is None else dataset.factor_names.index(label)
    )


def test_no_rows_give_no_images(dataset: Dataset) -> None:
    none = np.array([], np.int64)
    assert dataset.images(none).shape == (0, *dataset.shape)
    assert dataset.factors(none).shape == (0, len(dataset.factor_sizes))


def test_a_grid_holds_every_combination_once(dataset: Dataset) -> None:
    assert dataset.spec.grid == isinstance(dataset, Grid)
    if isinstance(dataset, Grid):
        assert len(dataset) == np.prod(dataset.factor_sizes)
        assert len(dataset.train) == len(dataset.test) == len(dataset)


GRIDS = [name for name in DATASETS.names() if DATASETS[name].facts["spec"].grid]


def grid(name: str) -> Grid:
    """Return a data set of that grid whose images are black."""
    spec = DATASETS[name].facts["spec"]
    return Grid(spec, np.broadcast_to(np.uint8(0), (int(np.prod(spec.factor_sizes)), spec.size)))


@pytest.mark.parametrize("name", GRIDS)
@given(data=st.data())
def test_factors_to_rows_and_back(name: str, data: st.DataObject) -> None:
    every = grid(name)
    factors = data.draw(st.tuples(*(st.integers(0, size - 1) for size in every.factor_sizes)))
    row = every.index(np.array([factors]))
    assert tuple(every.factors(row)[0]) == factors
    assert 0 <= row[0] < len(every)


@pytest.mark.parametrize("name", GRIDS)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_one_factor_varies_on_every_grid(name: str, data: st.DataObject, seed: int) -> None:
    every, rng = grid(name), np.random.default_rng(seed)
    factor = data.draw(st.integers(0, len(every.factor_sizes) - 1))
    varies = np.ptp(every.factors(every.sample_varying(factor, 256, rng)), axis=0) > 0
    assert varies.tolist() == [k == factor for k in range(len(varies))]
    fixed = every.factors(every.sample_fixed(factor, 1, 256, rng))
    assert (fixed[:, factor] == 1).all()
    assert (np.ptp(np.delete(fixed, factor, axis=1), axis=0) > 0).all()


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_fixed_is_fixed_and_the_rest_varies(
    dataset: Dataset, data: st.DataObject, seed: int
) -> None:
    factor = data.draw(st.integers(0, len(dataset.factor_sizes) - 1))
    present = np.unique(dataset.factors(dataset.train[:100_000])[:, factor])
    value = int(data.draw(st.sampled_from(list(present))))
    rows = dataset.sample_fixed(factor, value, 64, np.random.default_rng(seed))
    factors = dataset.factors(rows)
    assert (factors[:, factor] == value).all()
    assert np.isin(rows, dataset.train).all()
    others = np.delete(factors, factor, axis=1)
    assert not isinstance(dataset, Grid) or (np.ptp(others, axis=0) > 0).all()


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_varying_varies_one_factor(dataset: Dataset, data: st.DataObject, seed: int) -> None:
    factor = data.draw(st.integers(0, len(dataset.factor_sizes) - 1))
    rng = np.random.default_rng(seed)
    if not isinstance(dataset, Grid) and factor > 0:
        with pytest.raises(ValueError, match="differ in"):
            dataset.sample_varying(factor, 64, rng)
        return
    rows = dataset.sample_varying(factor, 64, rng)
    varies = np.ptp(dataset.factors(rows), axis=0) > 0
    assert varies.tolist() == [k == factor for k in range(len(varies))]
    assert np.isin(rows, dataset.train).all()


def test_the_same_generator_deals_the_same_rows(dataset: Dataset) -> None:
    def deal(seed: int) -> NDArray[np.int64]:
        rng = np.random.default_rng(seed)
        fixed = dataset.sample_fixed(0, 1, 9, rng)
        return np.concatenate([dataset.sample(9, rng), fixed, dataset.sample_varying(0, 9, rng)])

    assert (deal(1) == deal(1)).all()
    assert (deal(1) != deal(2)).any()


def test_a_value_that_only_a_held_out_image_has() -> None:
    with pytest.raises(ValueError, match="no training image of table has 'a' = 3"):
        table().sample_fixed(0, 3, 3, np.random.default_rng(0))


def test_toy_images_determine_their_factors(toy: Dataset) -> None:
    assert len(np.unique(toy.packed[:], axis=0)) == len(toy) == 96
    assert (toy.images(toy.train).sum(axis=(1, 2, 3)) >= 9).all()


@pytest.mark.parametrize("factor", [None, 0])
def test_the_images_of_a_pair_differ_in_one_factor(dataset: Dataset, factor: int | None) -> None:
    rng = np.random.default_rng(0)
    rows, others = dataset.sample_pairs(factor, 300, rng)
    differ = dataset.factors(rows) != dataset.factors(others)
    assert (differ.sum(1) == 1).all()
    assert np.isin(np.concatenate([rows, others]), dataset.train).all()
    if factor is None:
        # Of the table no two images differ in another factor than the first alone.
        assert differ.any(0).tolist() == [
            k == 0 or dataset.spec.grid for k in range(differ.shape[1])
        ]
    else:
        assert differ[:, factor].all()


def test_the_second_image_of_a_pair_has_every_other_value(toy: Dataset) -> None:
    rows, others = toy.sample_pairs(2, 2000, np.random.default_rng(0))
    steps = (toy.factors(others) - toy.factors(rows))[:, 2] % 4
    assert np.bincount(steps, minlength=4)[1:].min() > 2000 / 3 * 0.8


def test_pairs_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="no two images of table differ in 'c' alone"):
        table().sample_pairs(2, 4, np.random.default_rng(0))


def test_an_index_means_the_same_rows_of_images_and_factors(dataset: Dataset) -> None:
    n = len(dataset)
    mask = np.zeros(n, bool)
    mask[[1, n - 1]] = True
    for index in (mask, [1, -1], np.array([1, n - 1], np.uint32), (1, n - 1)):
        for read in (dataset.images, dataset.factors):
            assert (read(index) == read(np.array([1, n - 1]))).all()  # type: ignore[arg-type]
    assert dataset.images([]).shape == (0, *dataset.shape)  # type: ignore[arg-type]
    assert dataset.factors([]).shape == (0, len(dataset.factor_sizes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "index", [[[0, 1]], None, [0.5], [True, False], [10**7], [-(10**7)], ["a"]]
)
def test_what_is_no_index_is_refused(dataset: Dataset, index: object) -> None:
    for read in (dataset.images, dataset.factors):
        with pytest.raises(IndexError, match="rows are"):
            read(index)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, 10_000, 0.5])
def test_a_value_that_no_image_has_is_refused(dataset: Dataset, value: int) -> None:
    with pytest.raises(ValueError, match=rf"no .*image of {dataset.name} has '\w+' = {value}"):
        dataset.sample_fixed(0, value, 3, np.random.default_rng(0))


# What a data set of the user's own may have wrong.

FIELDS: dict[str, Any] = {
    "name": "m",
    "shape": (1, 8, 8),
    "levels": 256,
    "factor_names": ("a", "b"),
    "factor_sizes": (10, 4),
}
R = np.arange(500)
VALUES = np.random.default_rng(0).integers((10, 4), size=(500, 2))
BLACK = np.zeros((500, 64), np.uint8)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("shape", (8, 8, 3), r"shape must be \(C, H, W\), C 1 or 3, .*; found \(8, 8, 3\)"),
        ("shape", (8, 8), r"shape must be \(C, H, W\), C 1 or 3; found \(8, 8\)"),
        ("shape", (1, 8, 8.5), "shape must be"),
        ("levels", 255, "levels must be 2 or 256; found 255"),
        ("factor_names", ("a", "a"), r"factor_names must be different .* \('a', 'a'\)"),
        ("factor_sizes", (10,), r"factor_sizes must be 2 numbers, .*; found \(10,\)"),
        ("factor_sizes", (10, 0), r"factor_sizes must be whole .* 1; found \(10, 0\)"),
        ("label", "c", r"label must be None or one of \['a', 'b'\]; found c"),
        ("same", (("c", 0, 1),), r"same must be pairs of values of \['a', 'b'\]"),
    ],
)
def test_a_specification_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(UserError, match="data set 'm': " + said):
        Spec(**FIELDS | {field: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"packed": BLACK / 255}, r"packed must be uint8 .*; found float64"),
        ({"packed": BLACK.reshape(500, 1, 8, 8)}, r"packed must be \(N, 64\).*; found \(500, 1"),
        ({"packed": BLACK[:, :8]}, r"packed must be \(N, 64\), a byte a pixel .*\(500, 8\)"),
        ({"packed": BLACK.tolist()}, "packed must be uint8 .*; found list"),
        ({"levels": 2}, r"packed must be \(N, 8\), 8 pixels a byte .*; found \(500, 64\)"),
        ({"table": VALUES[:400]}, r"factors must be \(500, 2\), .*; found \(400, 2\)"),
        ({"table": VALUES[:, :1]}, r"factors must be \(500, 2\), .*; found \(500, 1\)"),
        ({"table": VALUES + 0.25}, r"'a' must be integers .*binned.*; found 8.25, in 0.25..9.25"),
        ({"table": VALUES + np.array([0, 1])}, r"factor 'b' must be 0..3; found 1..4"),
        ({"table": VALUES - np.array([1, 0])}, r"factor 'a' must be 0..9; found -1..8"),
        ({"table": VALUES > 1}, "factors must be of an integer type; found bool"),
        ({"train": R + 1}, r"train must be rows of the 500 images, 0..499; found 1..500"),
        ({"test": R - 1}, r"test must be rows of the 500 images, 0..499; found -1..498"),
        ({"test": R[:0]}, r"test must be row numbers, one or more .*; found int64 \(0,\)"),
        ({"train": R > 9}, r"train must be row numbers, .*np.flatnonzero.*; found bool \(500,\)"),
        ({"grid": True}, "grid must be False for a Table; found True"),
    ],
)
def test_a_table_that_is_not_as_its_specification_is_refused(
    change: dict[str, Any], said: str
) -> None:
    fields = {key: change.pop(key) for key in ("levels", "grid") if key in change}
    given: dict[str, Any] = {"packed": BLACK, "table": VALUES, "train": R, "test": R} | change
    with pytest.raises(UserError, match=f"data set 'm': .*{said}"):
        Table(Spec(**FIELDS | fields), **given)


def test_a_grid_that_is_not_as_its_specification_is_refused() -> None:
    with pytest.raises(UserError, match=r"must be 40 images, the product .*; found 500"):
        Grid(Spec(**FIELDS, grid=True), BLACK)
    with pytest.raises(UserError, match="grid must be True for a Grid; found False"):
        Grid(Spec(**FIELDS), BLACK[:40])


def test_a_data_set_that_checks_nothing_itself_is_checked_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = Table(Spec(**FIELDS), BLACK, VALUES, R, R)
    whole.table = VALUES + 0.5
    monkeypatch.setitem(DATASETS._entries, "m", Entry("m", lambda folder: whole, "here"))
    with pytest.raises(UserError, match="data set 'm': factor 'a' must be integers"):
        load("m")


def test_whole_numbers_may_be_of_any_type() -> None:
    for kind in (np.uint8, np.int32, np.float32):
        dataset = Table(Spec(**FIELDS), BLACK, VALUES.astype(kind), R, R)
        assert (dataset.factors(R) == VALUES).all()
        assert dataset.factors(R).dtype == np.int64


@pytest.mark.parametrize("levels", [2, 256])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_images_are_packed_and_dealt_as_they_were(levels: int, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(levels, size=(500, *shape), dtype=np.uint8)
    spec = Spec(**FIELDS | {"shape": shape, "levels": levels})
    dataset = Table(spec, packed_images(images, levels), VALUES, R, R)
    assert (dataset.images(R) == images).all()


@pytest.mark.parametrize(
    ("images", "levels", "said"),
    [
        (np.zeros((9, 1, 8, 8)), 256, "images must be uint8 .*255.*; found float64"),
        (np.zeros((9, 8, 8, 3), np.uint8), 256, r"transpose.*; found \(9, 8, 8, 3\)"),
        (np.zeros((9, 8, 8), np.uint8), 256, r"\(N, C, H, W\).*; found \(9, 8, 8\)"),
        (np.full((9, 1, 8, 8), 255, np.uint8), 2, "levels=2 is of .*; found levels=2 and 0..255"),
        (np.zeros((9, 1, 8, 8), np.uint8), 16, "found levels=16"),
    ],
)
def test_images_that_cannot_be_packed_are_refused(
    images: NDArray[Any], levels: int, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        packed_images(images, levels)


def test_continuous_values_are_binned_at_equal_width() -> None:
    values = np.stack([np.linspace(-1, 1, 500), np.full(500, 7.0), np.arange(500) % 4], 1)
    factors, sizes = binned(values, 4)
    assert sizes == (4, 4, 4)
    assert np.bincount(factors[:, 0]).tolist() == [125] * 4
    assert (factors[:, 1] == 0).all()
    assert (factors[:, 2] == values[:, 2]).all()
    spec = Spec("m", (1, 8, 8), 256, ("a", "b", "c"), sizes)
    assert (Table(spec, BLACK, factors, R, R).factors(R) == factors).all()


@pytest.mark.parametrize(
    ("values", "bins", "said"),
    [
        (np.array([[np.nan]]), 4, "values must be finite"),
        (np.zeros(4), 4, r"values must be numbers \(N, K\); found float64 \(4,\)"),
        (np.full((4, 1), "a"), 4, "values must be numbers"),
        (np.zeros((4, 1)), 1, "bins must be 2 or more; found 1"),
    ],
)
def test_values_that_cannot_be_binned_are_refused(
    values: NDArray[Any], bins: int, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        binned(values, bins)
