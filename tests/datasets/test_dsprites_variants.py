"""dSprites in colour, before noise and before a painting: what is random is a matter of the row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from benchmark.registry import UserError
from datasets import Dataset, dsprites, load, packed_file
from datasets.base import Images
from tests import published

NAMES = ["color_dsprites", "noisy_dsprites", "scream_dsprites"]
TURNS = [(0, 0, 0), (2, 5, 7)]
ROWS = np.random.default_rng(0).permutation(2048)[:100]
PAINTING = np.random.default_rng(1).integers(256, size=(274, 350, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with a painting, and a set of two turns of the drawing."""
    monkeypatch.setattr(dsprites, "TURNS", TURNS)
    small = replace(dsprites.SPEC, factor_sizes=(2, 1, 1, 32, 32))
    monkeypatch.setattr(dsprites, "SPEC", small)
    place = published.desk(tmp_path, monkeypatch)
    Image.fromarray(PAINTING).save(place / "scream.png")
    return place


@pytest.fixture(params=NAMES)
def variant(request: pytest.FixtureRequest, folder: Path) -> Dataset:
    return load(request.param, folder)


def shapes(rows: NDArray[np.int64] = ROWS) -> NDArray[np.bool_]:
    """Return where the shapes are, (n, 3, 64, 64), as they are drawn."""
    drawn = np.unpackbits(np.concatenate([dsprites.draw(*turn) for turn in TURNS])[rows], axis=1)
    return np.repeat(drawn.reshape(-1, 1, 64, 64) == 1, 3, axis=1)


def test_a_variant_has_the_factors_of_dsprites(variant: Dataset, folder: Path) -> None:
    plain = load("dsprites")
    assert (variant.shape, variant.levels, variant.on_the_fly) == ((3, 64, 64), 256, True)
    assert variant.factor_names == plain.factor_names
    assert variant.spec.grid
    assert (variant.factors(ROWS) == plain.factors(ROWS)).all()


def test_an_image_is_the_same_in_every_batch_and_order(variant: Dataset, folder: Path) -> None:
    images = variant.images(ROWS)
    assert (variant.images(ROWS[::-1]) == images[::-1]).all()
    assert (variant.images(np.tile(ROWS[7:9], 2)) == images[[7, 8, 7, 8]]).all()
    for k, row in enumerate(ROWS[:5]):
        assert (variant.images(np.array([row])) == images[k]).all()
    assert (load(variant.name, folder).images(ROWS) == images).all()


def test_nothing_but_dsprites_is_stored(variant: Dataset, folder: Path) -> None:
    variant.images(ROWS)
    assert sorted(path.name for path in packed_file.root().iterdir()) == [
        "dsprites.h5",
        "dsprites.lock",
    ]
    assert [path.name for path in folder.iterdir()] == ["scream.png"]


def test_colours_are_of_the_upper_half_before_black(folder: Path) -> None:
    images, where = load("color_dsprites").images(ROWS), shapes()
    assert (images[~where] == 0).all()
    highest, lowest = images.max((2, 3)), np.where(where, images, 255).min((2, 3))
    assert (highest == lowest).all()
    assert 128 <= lowest.min() < 135
    assert 248 < highest.max() <= 255
    assert (np.abs(highest.mean(0) - 191.5) < 15).all()
    assert len(np.unique(highest, axis=0)) == len(ROWS)


def test_noise_leaves_the_shape_white(folder: Path) -> None:
    images, where = load("noisy_dsprites").images(ROWS), shapes()
    assert (images[where] == 255).all()
    counts = np.bincount(images[~where], minlength=256)
    assert counts.min() > 0.9 * counts.mean()
    assert counts.max() < 1.1 * counts.mean()
    ground = ~where[0] & ~where[1]
    assert (images[0][ground] != images[1][ground]).mean() > 0.9


def piece(ground: Images) -> tuple[int, int, Images]:
    """Return where in the painting a ground (3, 64, 64) was cut out, and the colour (3,) added."""
    rows = sliding_window_view(PAINTING[:211, :, 0], 64, axis=1).astype(int)
    added = 2 * ground[0, 0].astype(int) - rows
    ((y, x),) = np.argwhere(np.ptp(added, axis=2) <= 1).tolist()
    cut = PAINTING[y : y + 64, x : x + 64].transpose(2, 0, 1).astype(int)
    colour: Images = (2 * ground.astype(int) - cut).max((1, 2))
    assert ((cut + colour[:, None, None]) // 2 == ground).all()
    return y, x, colour


def test_the_shape_inverts_a_piece_of_the_painting(folder: Path) -> None:
    images, where = load("scream_dsprites", folder).images(ROWS[:12]), shapes(ROWS[:12])
    found = [piece(ground) for ground in np.where(where, 255 - images, images)]
    assert len({y for y, *_ in found}) > 8
    assert len({x for _, x, _ in found}) > 8
    assert len({tuple(colour.tolist()) for *_, colour in found}) == 12


def test_the_colour_added_to_the_painting_is_any(folder: Path) -> None:
    Image.new("RGB", (350, 274), (0, 100, 255)).save(folder / "scream.png")
    images, where = load("scream_dsprites", folder).images(ROWS), shapes()
    ground = np.where(where, 255 - images, images)
    assert (np.ptp(ground, axis=(2, 3)) == 0).all()
    low, high = ground.min((0, 2, 3)), ground.max((0, 2, 3))
    assert (low >= [0, 50, 127]).all()
    assert (low <= [6, 56, 133]).all()
    assert (high <= [127, 177, 255]).all()
    assert (high >= [121, 171, 249]).all()


@pytest.mark.parametrize("name", ["scream.jpg", "scream.jpeg"])
@pytest.mark.parametrize("place", ["mine", "mine/scream_dsprites", "cache"])
def test_the_painting_may_be_of_any_size_and_place(
    folder: Path, tmp_path: Path, name: str, place: str
) -> None:
    (folder / "scream.png").unlink()
    (tmp_path / place).mkdir(exist_ok=True)
    Image.new("L", (700, 500), 200).save(tmp_path / place / name)
    images, where = load("scream_dsprites", folder).images(ROWS), shapes()
    ground = np.where(where, 255 - images, images)
    assert ground.min() >= 100
    assert (np.ptp(ground, axis=(2, 3)) == 0).all()


def test_a_missing_painting_is_asked_for_before_anything_is_drawn(folder: Path) -> None:
    (folder / "scream.png").unlink()
    for place, named in ((folder, folder), (None, packed_file.root())):
        with pytest.raises(UserError) as caught:
            load("scream_dsprites", place)
        message = str(caught.value)
        assert "\n" not in message
        assert "scream_dsprites needs a picture of Munch's The Scream" in message
        assert f"put it into {named} as scream.jpg, scream.jpeg or scream.png" in message
    assert not packed_file.location("dsprites").exists()


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_damaged_painting_is_refused(folder: Path, part: float) -> None:
    published.cut(folder / "scream.png", part)
    published.refused("scream_dsprites", folder, f"cannot read {folder / 'scream.png'}: ")
