"""3D Shapes and MPI3D on small files of the published formats."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from datasets import mpi3d, shapes3d
from tests import published

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(48, 64, 64, 3), dtype=np.uint8)
CHANNELS_FIRST = np.stack([IMAGES[..., k] for k in range(3)], axis=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return published.desk(tmp_path, monkeypatch)


# 3D Shapes

SHAPES = (2, 2, 2, 1, 2, 3)
HUES = [0.0, 0.1]
LABELS = np.array(list(product(HUES, HUES, HUES, [0.75], [0.0, 1.0], [-30.0, 0.0, 30.0])))
Shapes = Callable[..., Path]


@pytest.fixture
def shapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """Write 3dshapes.h5, whole or changed, and have it be the right one."""
    monkeypatch.setattr(shapes3d, "SPEC", replace(shapes3d.SPEC, factor_sizes=SHAPES))
    monkeypatch.setattr(shapes3d, "BLOCK", 7)

    def write(
        change: Callable[[Path], object] = str, checked: bool = True, **arrays: NDArray[np.generic]
    ) -> Path:
        path = folder / "3dshapes.h5"
        with h5py.File(path, "w") as file:
            for name, array in ({"images": IMAGES, "labels": LABELS} | arrays).items():
                file.create_dataset(name, data=array, chunks=True, compression="gzip")
        change(path)
        files = (published.right(shapes3d.FILES[0], folder, checked),)
        monkeypatch.setattr(shapes3d, "FILES", files)
        return path

    return write


def test_shapes3d_is_what_the_file_holds(shapes: Shapes, folder: Path) -> None:
    shapes()
    dataset = published.loaded("shapes3d", folder, *shapes3d.FILES[0].urls, "3dshapes.h5")
    images, factors = published.everything(dataset)
    assert (images == CHANNELS_FIRST).all()
    assert factors == [list(cell) for cell in product(*map(range, SHAPES))]
    names = "floor_hue wall_hue object_hue scale shape orientation"
    assert dataset.factor_names == tuple(names.split())
    assert dataset.spec.label == "shape"


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"labels": LABELS[::-1]}, "its labels are not in the order of the grid"),
        ({"labels": LABELS[:, [1, 0, 2, 3, 5, 4]]}, "its labels are not in the order of the grid"),
        ({"labels": LABELS[:, :5]}, "its labels are not in the order of the grid"),
        ({"labels": LABELS[:3]}, "its labels are not in the order of the grid"),
        ({"labels": np.concatenate([LABELS, LABELS])}, "its labels are not in the order"),
        ({"images": IMAGES[:47]}, "uint8 (47, 64, 64, 3), not uint8 (48, 64, 64, 3)"),
        ({"images": CHANNELS_FIRST}, "uint8 (48, 3, 64, 64), not uint8 (48, 64, 64, 3)"),
        ({"images": IMAGES.astype(np.float32)}, "float32 (48, 64, 64, 3), not"),
    ],
)
def test_another_shapes3d_is_refused(
    shapes: Shapes, folder: Path, arrays: dict[str, NDArray[np.generic]], says: str
) -> None:
    path = shapes(**arrays)
    published.refused("shapes3d", folder, str(path), says)


def without_images(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["images"]


def with_a_damaged_chunk(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["images"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 50 : chunk.byte_offset + 90] = bytes(40)
    path.write_bytes(content)


@pytest.mark.parametrize("change", [published.cut, without_images, with_a_damaged_chunk])
def test_a_damaged_shapes3d_is_refused(
    shapes: Shapes, folder: Path, change: Callable[[Path], object]
) -> None:
    published.refused("shapes3d", folder, f"cannot read {shapes(change)}: ")


def test_the_bar_of_shapes3d_ends_before_an_error(
    shapes: Shapes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes(with_a_damaged_chunk)
    published.assert_silent_after("shapes3d", folder, capsys)


# MPI3D

ARM = dict(zip(mpi3d.FACTORS, (2, 2, 1, 1, 2, 3, 2), strict=True))
KINDS = {"toy": 0, "realistic": 1, "real": 2}
Arms = Callable[..., Path]


@pytest.fixture
def arms(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Arms:
    """Write the three files, that of one kind changed, and have them be the right ones."""
    monkeypatch.setattr(mpi3d, "FACTORS", ARM)
    monkeypatch.setattr(mpi3d, "BLOCK", 7)

    def write(kind: str = "toy", change: Callable[[Path], object] = str) -> Path:
        for other, shift in KINDS.items():
            path = folder / f"mpi3d_{other}.npz"
            np.savez(path, images=np.roll(IMAGES, shift, axis=0))
            if other == kind:
                change(path)
            one = published.right(mpi3d.FILES[other], folder)
            monkeypatch.setitem(mpi3d.FILES, other, one)
        return folder / f"mpi3d_{kind}.npz"

    return write


@pytest.mark.parametrize("within", ["", "mpi3d"])
@pytest.mark.parametrize("kind", KINDS)
def test_mpi3d_is_what_the_file_holds(arms: Arms, folder: Path, kind: str, within: str) -> None:
    arms()
    (folder / within).mkdir(exist_ok=True)
    for path in folder.glob("*.npz"):
        path.rename(folder / within / path.name)
    made_from = f"mpi3d_{kind}.npz {mpi3d.FILES[kind].urls[0]} {mpi3d.FILES[kind].md5}"
    dataset = published.loaded(f"mpi3d_{kind}", folder, made_from)
    assert dataset.factor_names[0] == "object_color"
    assert dataset.factor_names[-2:] == ("horizontal_axis", "vertical_axis")
    images, factors = published.everything(dataset)
    assert (images == np.roll(CHANNELS_FIRST, KINDS[kind], axis=0)).all()
    assert factors == [list(cell) for cell in product(*map(range, ARM.values()))]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (IMAGES[:47], "(47, 64, 64, 3)"),
        (CHANNELS_FIRST, "(48, 3, 64, 64)"),
        (IMAGES.astype(np.float32), "float32"),
        (np.asfortranarray(IMAGES), "True"),
    ],
)
def test_another_mpi3d_is_refused(
    arms: Arms, folder: Path, images: NDArray[np.generic], says: str
) -> None:
    path = arms("real", lambda path: np.savez(path, images=images))
    published.refused("mpi3d_real", folder, f"cannot read {path}: its images are", says)


def test_an_archive_without_images_is_refused(arms: Arms, folder: Path) -> None:
    path = arms("real", lambda path: np.savez(path, imgs=IMAGES))
    published.refused("mpi3d_real", folder, f"cannot read {path}: ", "images.npy")


def with_a_damaged_image(path: Path) -> None:
    published.spoil(path, IMAGES[20, 20].tobytes())


@pytest.mark.parametrize("change", [published.cut, with_a_damaged_image])
def test_a_damaged_mpi3d_is_refused(
    arms: Arms, folder: Path, change: Callable[[Path], object]
) -> None:
    published.refused("mpi3d_toy", folder, f"cannot read {arms('toy', change)}: ")


def test_the_bar_of_mpi3d_ends_before_an_error(
    arms: Arms, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms("toy", with_a_damaged_image)
    published.assert_silent_after("mpi3d_toy", folder, capsys)


def test_code_in_an_mpi3d_is_not_run(arms: Arms, folder: Path, tmp_path: Path) -> None:
    made = published.trap(tmp_path / "ran")
    images = np.full(IMAGES.shape, made, object)
    path = arms("toy", lambda path: np.savez(path, images=images))
    published.refused("mpi3d_toy", folder, str(path), "dtype('O')")
    assert not made.path.exists()


# Both


@pytest.mark.parametrize("name", ["shapes3d", "mpi3d_toy"])
def test_a_file_that_is_not_the_published_one_is_refused(
    shapes: Shapes, arms: Arms, folder: Path, name: str
) -> None:
    path = shapes() if name == "shapes3d" else arms()
    path.write_bytes(path.read_bytes() + b"\0")
    published.refused(name, folder, f"{path} is damaged or not the published file: its MD5 is")


@pytest.mark.parametrize("name", ["shapes3d", "mpi3d_toy"])
def test_a_file_that_is_not_there_is_asked_for(
    shapes: Shapes, arms: Arms, folder: Path, name: str
) -> None:
    path = shapes() if name == "shapes3d" else arms()
    path.unlink()
    published.refused(name, folder, f" needs {path.name}", f"{published.NOWHERE}{path.name}")
