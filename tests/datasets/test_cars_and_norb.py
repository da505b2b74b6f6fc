"""Cars3D and SmallNORB on small files of the published formats."""

import gzip
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache as once
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from datasets import cars3d, smallnorb
from tests import published


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return published.desk(tmp_path, monkeypatch)


# Cars3D

CARS = ("data/cars/car_010_mesh.mat", "data/cars/car_002_mesh.mat", "data/cars/Car_1_mesh.mat")
Cars = Callable[..., Path]


def colour(car: int, azimuth: int, elevation: int) -> list[int]:
    return [10 * azimuth, 20 + 60 * elevation, 5 + 80 * car]


@once
def car(number: int) -> bytes:
    """Return a file of a car that is white above and has a colour of its own below."""
    sides = np.full((128, 128, 3, 24, 4), 255, np.uint8)
    for azimuth, elevation in product(range(24), range(4)):
        sides[64:, :, :, azimuth, elevation] = colour(number, azimuth, elevation)
    return mat(im=sides)


def mat(**arrays: NDArray[np.generic]) -> bytes:
    with io.BytesIO() as file:
        savemat(file, arrays, do_compression=True)  # type: ignore[arg-type]
        return file.getvalue()


@pytest.fixture
def cars(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cars:
    """Write the archive, other files among it, and have it be the right one."""
    monkeypatch.setattr(cars3d, "SPEC", replace(cars3d.SPEC, factor_sizes=(4, 24, 3)))

    def write(
        more: dict[str, bytes] | None = None,
        names: tuple[str, ...] = CARS,
        change: Callable[[Path], object] = str,
    ) -> Path:
        path = folder / "nips2015-analogy-data.tar.gz"
        order = ("data/cars/Car_1_mesh.mat", "data/cars/car_002_mesh.mat")
        found = {name: car((*order, CARS[0]).index(name)) for name in names}
        listed = b"".join(f"{Path(name).stem}\n".encode() for name in CARS)
        files = {"data/shapes/x_mesh.mat": b"", **found, "data/cars/list.txt": listed}
        published.tarred(path, files | (more or {}), "w:gz")
        change(path)
        monkeypatch.setattr(cars3d, "FILES", (published.right(cars3d.FILES[0], folder),))
        return path

    return write


def test_cars3d_is_what_the_archive_holds(cars: Cars, folder: Path) -> None:
    cars()
    dataset = published.loaded("cars3d", folder, *cars3d.FILES[0].urls)
    images, factors = published.everything(dataset)
    assert factors == [list(cell) for cell in product(range(4), range(24), range(3))]
    expected = np.array([colour(car, azimuth, elevation) for elevation, azimuth, car in factors])
    assert dataset.factor_names == ("elevation", "azimuth", "car")
    assert (images[:, :, :29] == 255).all()
    assert (images[:, :, 35:] == expected[:, :, None, None]).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pickle.dumps({"im": np.zeros(9)}), "Unknown mat file type"),
        (mat(im=np.zeros((128, 128, 3, 4, 24), np.uint8)), "(128, 128, 3, 4, 24), not"),
        (mat(im=np.zeros((128, 128, 3, 24, 4))), "data type"),
        (mat(other=np.zeros(9)), "'im'"),
        (b"", "truncated"),
        (car(0)[:5000], ""),
    ],
)
def test_a_car_that_cannot_be_read_is_named(
    cars: Cars, folder: Path, content: bytes, says: str
) -> None:
    path = cars({CARS[1]: content})
    published.refused("cars3d", folder, f"cannot read {path} ({CARS[1]}): ", says)


def test_the_bar_of_cars3d_ends_before_an_error(
    cars: Cars, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cars({CARS[1]: b""})
    published.assert_silent_after("cars3d", folder, capsys)


def test_cars_that_are_not_all_there_are_counted(cars: Cars, folder: Path) -> None:
    published.refused("cars3d", folder, str(cars(names=CARS[1:])), "it holds 2 cars, not 3")


def test_a_cars3d_that_ends_early_is_refused(cars: Cars, folder: Path) -> None:
    published.refused("cars3d", folder, f"cannot read {cars(change=published.cut)}: ")


@pytest.mark.parametrize("name", ["../cars/x_mesh.mat", "/tmp/x", "data/../../x", "..\\x"])
def test_a_cars3d_that_climbs_out_is_refused(cars: Cars, folder: Path, name: str) -> None:
    published.refused("cars3d", folder, f"{cars({name: b''})} is not to be trusted", repr(name))


# SmallNORB

NORB = (2, 2, 3, 2, 2)
CELLS = list(product(*map(range, NORB)))
Toys = Callable[..., Path]


def binary(values: NDArray[np.generic]) -> bytes:
    """Return an array in NORB's format: magic number, dimensions, three sizes or more, values."""
    magic = 0x1E3D4C55 if values.dtype == np.uint8 else 0x1E3D4C54
    sizes = [*values.shape, 1, 1][: max(3, values.ndim)]
    return np.array([magic, values.ndim, *sizes], "<i4").tobytes() + values.tobytes()


def toys(instance: int) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of the toys of one instance, shuffled; cell n is grey n under n + 100."""
    cells = np.array([cell for cell in CELLS if cell[1] == instance])
    cells = np.random.default_rng(instance).permutation(cells)
    pairs = np.full((len(cells), 2, 96, 96), 255, np.uint8)
    grey = np.array([CELLS.index(tuple(cell)) for cell in cells.tolist()])
    pairs[:, 0, :48], pairs[:, 0, 48:] = grey[:, None, None] + 100, grey[:, None, None]
    info = cells[:, 1:] * [1, 1, 2, 1]
    return {"dat": pairs, "cat": cells[:, 0].astype("<i4"), "info": info.astype("<i4")}


@pytest.fixture
def norb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Toys:
    """Write the six files: instance 1 to train on, 0 to test on; return that of training's kind."""
    monkeypatch.setattr(smallnorb, "SPEC", replace(smallnorb.SPEC, factor_sizes=NORB))

    def write(kind: str = "dat", change: Callable[[bytes], bytes] = bytes) -> Path:
        for part, instance in zip(smallnorb.PARTS, (1, 0), strict=True):
            for name, array in toys(instance).items():
                content = binary(array)
                content = change(content) if (name, instance) == (kind, 1) else content
                path = folder / f"smallnorb-{part}-{name}.mat.gz"
                path.write_bytes(gzip.compress(content))
        files = tuple(published.right(one, folder, checked=False) for one in smallnorb.FILES)
        monkeypatch.setattr(smallnorb, "FILES", files)
        return folder / f"smallnorb-{smallnorb.PARTS[0]}-{kind}.mat.gz"

    return write


def test_smallnorb_is_the_left_images_in_the_order_of_the_grid(norb: Toys, folder: Path) -> None:
    norb()
    names = [one.name for one in smallnorb.FILES]
    dataset = published.loaded("smallnorb", folder, *names)
    assert dataset.factor_names == ("category", "instance", "elevation", "azimuth", "lighting")
    assert dataset.spec.label == "category"
    images, factors = published.everything(dataset)
    assert factors == [list(cell) for cell in CELLS]
    grey = np.arange(48)[:, None, None, None]
    assert (images[:, :, :29] == grey + 100).all()
    assert (images[:, :, 35:] == grey).all()


@pytest.mark.parametrize("kind", ["dat", "cat", "info"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\x56" + content[1:],
        lambda content: content[:4] + b"\x63" + content[5:],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:6],
        lambda content: b"",
    ],
    ids=["magic", "dimensions", "shorter", "longer", "header", "empty"],
)
def test_a_file_that_is_not_of_norbs_format_is_named(
    norb: Toys, folder: Path, kind: str, change: Callable[[bytes], bytes]
) -> None:
    published.refused("smallnorb", folder, f"cannot read {norb(kind, change)}: ")


def test_a_gzip_that_ends_early_is_named(norb: Toys, folder: Path) -> None:
    path = norb()
    published.cut(path)
    published.refused("smallnorb", folder, f"cannot read {path}: Compressed file ended")


@pytest.mark.parametrize(
    ("kind", "array", "says"),
    [
        ("dat", toys(1)["dat"][:, 0], "(24, 96, 96)"),
        ("dat", toys(1)["dat"][:, :, :64, :64], "(24, 2, 64, 64)"),
        ("dat", toys(1)["dat"].astype("<i4"), "int32"),
        ("dat", toys(1)["info"], "(24, 4)"),
        ("cat", toys(1)["cat"][1:], "23"),
        ("cat", toys(1)["info"], "(24, 4)"),
        ("info", toys(1)["info"][:, 1:], "(24, 3)"),
        ("info", toys(1)["cat"], "(24,)"),
    ],
)
def test_arrays_of_other_sizes_are_refused(
    norb: Toys, folder: Path, kind: str, array: NDArray[np.generic], says: str
) -> None:
    norb(kind, lambda _: binary(array))
    published.refused("smallnorb", folder, f"smallnorb-{smallnorb.PARTS[0]}", says)


@pytest.mark.parametrize("instance", [0, 9, -1])
def test_a_missing_cell_is_noticed(norb: Toys, folder: Path, instance: int) -> None:
    info = toys(1)["info"].copy()
    info[0, 0] = instance
    norb("info", lambda _: binary(info))
    published.refused("smallnorb", folder, str(folder), "smallnorb-*")


def test_a_smallnorb_of_too_few_toys_is_refused(norb: Toys, folder: Path) -> None:
    norb()
    for name, array in toys(1).items():
        path = folder / f"smallnorb-{smallnorb.PARTS[0]}-{name}.mat.gz"
        path.write_bytes(gzip.compress(binary(array[1:])))
    published.refused("smallnorb", folder, "are not every combination of factors once")


# Both


def test_a_cars3d_that_is_not_the_published_one_is_refused(cars: Cars, folder: Path) -> None:
    path = cars()
    path.write_bytes(path.read_bytes() + b"\0")
    published.refused("cars3d", folder, f"{path} is damaged or not the published file: its MD5 is")


@pytest.mark.parametrize("name", ["cars3d", "smallnorb"])
def test_a_file_that_is_not_there_is_asked_for(
    cars: Cars, norb: Toys, folder: Path, name: str
) -> None:
    path = cars() if name == "cars3d" else norb("info")
    path.unlink()
    published.refused(name, folder, f"{name} needs {path.name}", f"{published.NOWHERE}{path.name}")
