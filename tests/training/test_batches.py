"""Batches, codes and traversals: what a method sees, and what it gives."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.evaluation.encode import COLUMNS, encode, rows_to_encode, traverse
from benchmark.evaluation.score import encoded
from benchmark.registry import METHODS
from benchmark.training.batches import Batches, unpack
from datasets import Dataset, Spec, Table
from methods.base import Batch, Code, Method
from results.store import Codes

CPU = torch.device("cpu")


class Watching(Method):
    """Keeps what it was shown."""

    batch_size = 8
    codes: ClassVar[tuple[Code, ...]] = (Code("z1", "normal"),)  # type: ignore[misc]

    def __init__(self, sees: str) -> None:
        super().__init__()
        self.sees = sees  # type: ignore[misc, assignment]


@pytest.fixture
def colours() -> Dataset:
    """Return 30 random 3x5x7 images of 256 levels with a label, two thirds for training."""
    rng = np.random.default_rng(0)
    packed = rng.integers(256, size=(30, 3 * 5 * 7), dtype=np.uint8)
    spec = Spec("colours", (3, 5, 7), 256, ("label",), (3,), "label")
    table = np.arange(30)[:, None] % 3
    return Table(spec, packed, table, np.arange(20), np.arange(20, 30))


def test_torch_unpacks_bits_as_numpy_does(toy: Dataset) -> None:
    rows = np.arange(len(toy))
    packed = torch.from_numpy(np.asarray(toy.packed[rows]))
    assert np.array_equal(unpack(packed, toy.levels, toy.shape).numpy(), toy.images(rows))


def test_torch_unpacks_bytes_as_numpy_does(colours: Dataset) -> None:
    packed = torch.from_numpy(colours.packed[:])
    assert np.array_equal(unpack(packed, 256, colours.shape).numpy(), colours.images(np.arange(30)))


def test_images_reach_one(toy: Dataset, colours: Dataset) -> None:
    for dataset, top in ((toy, 1.0), (colours, colours.packed[:].max() / 255)):
        x = Batches(dataset, CPU).images(np.arange(len(dataset)))
        assert x.dtype == torch.float32
        assert x.min() >= 0
        assert x.max().item() == pytest.approx(top, abs=1e-7)


def test_a_batch_is_a_function_of_seed_and_step(toy: Dataset) -> None:
    method = Watching("images")
    first = [
        Batches(toy, CPU, seed=seed).training_batch(method, step).x
        for seed in (0, 1)
        for step in (0, 1)
    ]
    again = [
        Batches(toy, CPU, seed=seed).training_batch(method, step).x
        for seed in (0, 1)
        for step in (0, 1)
    ]
    assert all(map(torch.equal, first, again))
    assert not any(torch.equal(first[0], other) for other in first[1:])


@pytest.mark.parametrize(
    ("sees", "columns"), [("images", None), ("label", 1), ("factors", 4), ("one-factor", None)]
)
def test_a_method_is_shown_what_it_sees(toy: Dataset, sees: str, columns: int | None) -> None:
    batch = Batches(toy, CPU).training_batch(Watching(sees), 3)
    assert (batch.factors is None) == (columns is None)
    assert batch.factors is None or batch.factors.shape == (8, columns)
    assert (batch.active is None) == (sees != "one-factor")


def test_training_never_sees_a_held_out_row(colours: Dataset) -> None:
    held_out = {image.tobytes() for image in Batches(colours, CPU).images(colours.test).numpy()}
    method = Watching("images")
    seen = {
        image.tobytes()
        for step in range(50)
        for image in Batches(colours, CPU).training_batch(method, step).x.numpy()
    }
    assert len(seen) == 20
    assert not seen & held_out


def test_one_factor_varies(toy: Dataset) -> None:
    batches, every = Batches(toy, CPU), np.arange(len(toy))
    factors_of = dict(zip(map(bytes, toy.images(every)), toy.factors(every), strict=True))
    active = set()
    for step in range(30):
        batch = batches.training_batch(Watching("one-factor"), step)
        factors = np.stack([factors_of[bytes(x)] for x in batch.x.numpy().astype(np.uint8)])
        assert [k for k in range(4) if len(np.unique(factors[:, k])) > 1] in ([], [batch.active])
        active.add(batch.active)
    assert active == set(range(4))


def test_factors_vary_as_often_as_the_method_says(toy: Dataset) -> None:
    method = Watching("one-factor")
    method.factor_weights = (10, 1, 0, 0)
    active = [Batches(toy, CPU).training_batch(method, step).active for step in range(200)]
    counts = np.bincount(np.array(active), minlength=4)
    assert counts[2:].sum() == 0
    assert 5 < counts[1] < 40


def test_the_images_of_pairs_differ_in_the_factor_that_the_method_names(toy: Dataset) -> None:
    batches, every, method = Batches(toy, CPU), np.arange(len(toy)), Watching("pairs")
    factors_of = dict(zip(map(bytes, toy.images(every)), toy.factors(every), strict=True))
    method.pair_factor = 3
    batch = batches.training_batch(method, 0)
    assert batch.y is not None
    images = (images.numpy().astype(np.uint8) for images in (batch.x, batch.y))
    one, other = (np.stack([factors_of[bytes(x)] for x in part]) for part in images)
    assert ((one != other) == [False, False, False, True]).all()


def test_a_step_may_take_several_batches(toy: Dataset) -> None:
    method = Watching("images")
    method.batches = 3
    assert len(Batches(toy, CPU).training_batch(method, 0).x) == 24


def test_codes_come_in_the_order_of_the_rows(toy: Dataset) -> None:
    method = METHODS["truth"].value(toy.spec)
    rows = np.random.default_rng(0).permutation(len(toy))
    found = encode(method, Batches(toy, CPU), rows)
    assert np.array_equal(found.codes, toy.factors(rows))
    assert np.array_equal(found.rows, rows)
    assert found.std is None


def test_pixels_stay_bytes(colours: Dataset) -> None:
    method = METHODS["pixels"].value(colours.spec)
    found = encode(method, Batches(colours, CPU), np.arange(30))
    assert found.codes.dtype == np.uint8
    assert found.std is None
    assert np.array_equal(found.codes, colours.packed[:])


def test_wide_codes_are_sampled(dsprites: Dataset) -> None:
    assert np.array_equal(rows_to_encode(dsprites, 10), np.arange(len(dsprites)))
    rows = rows_to_encode(dsprites, 4096)
    assert len(rows) == len(np.unique(rows)) == 50_000
    assert np.array_equal(rows, rows_to_encode(dsprites, 4096))


def test_held_out_rows_follow_the_split(colours: Dataset, toy: Dataset) -> None:
    codes = Codes(np.zeros((30, 2), np.float32), np.arange(30), ["c1", "z"], ["categorical", "n"])
    given = encoded(colours, codes).arrays
    assert np.array_equal(given["held_out"], np.arange(30) >= 20)
    assert np.array_equal(given["label"], np.arange(30) % 3)
    assert given["c1"].dtype == np.int64
    assert given["categorical"].tolist() == [True, False]
    everywhere = Codes(np.zeros((96, 1), np.float32), np.arange(96), ["z"], ["normal"])
    halved = encoded(toy, everywhere).arrays
    assert 20 < halved["held_out"].sum() < 76
    assert "c1" not in halved


class Knobs(Method):
    """Draws each code's value into a pixel of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = (Code("c1", "categorical", 3), Code("c2", "uniform"), Code("n", "noise"))

    def decode(self, z: Tensor) -> Tensor:
        x = torch.zeros(len(z), 1, 16, 16)
        x[:, 0, 0, :3] = z / 255
        return x.abs()


def test_a_traversal_moves_one_code(toy: Dataset) -> None:
    found = traverse(Knobs(), Batches(toy, CPU))
    assert found.strips.shape == (2, COLUMNS, 1, 16, 16)
    assert found.names == ["c1", "c2"]
    assert found.values[0, :3].tolist() == [0, 1, 2]
    assert np.isnan(found.values[0, 3:]).all()
    assert (found.strips[0, 3:] == 255).all()
    assert found.strips[0, :3, 0, 0, 0].tolist() == [0, 1, 2]
    assert len(np.unique(found.strips[0, :3, 0, 0, 1])) == 1
    assert (found.values[1, 0], found.values[1, -1]) == (-2, 2)
    assert found.title == "around a draw from the prior"


def test_a_traversal_of_an_encoder_starts_at_a_real_image(toy: Dataset) -> None:
    torch.manual_seed(0)
    method = METHODS["vae"].value(toy.spec)
    found = traverse(method, Batches(toy, CPU))
    assert found.title == "around the code of a real image"
    assert found.values.shape == (10, COLUMNS)
    batch = Batch(torch.zeros(1, *toy.shape))
    assert method.encode(batch).shape == (1, 10)
