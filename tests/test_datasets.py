"""What every data set promises, and where its files lie."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.registry import DATASETS, UserError
from datasets import Dataset, Grid, Spec, Table, load

NO_FILE_NEEDED = ["dsprites", "toy", "faces_drawn", "color_dsprites", "noisy_dsprites"]
Rows = NDArray[np.uint8]


def table() -> Table:
    """Three factors; no two images differ in the last one alone, and row 5 is held out."""
    factors = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [2, 1, 1], [3, 0, 0]])
    spec = Spec("table", (1, 1, 2), 256, ("a", "b", "c"), (4, 2, 2), label="a")
    packed = np.arange(12, dtype=np.uint8).reshape(6, 2)
    return Table(spec, packed, factors, train=np.arange(5), test=np.array([5]))


@pytest.fixture(params=[*NO_FILE_NEEDED, "table"], scope="module")
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
    return Grid(spec, np.broadcast_to(np.uint8(0), (int(np.prod(spec.factor_sizes)), 1)))


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
