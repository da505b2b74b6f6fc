"""3D Chairs and 3D Faces on small files of the published formats."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache as once
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from datasets import archive, chairs, faces3d, load, packed_file
from datasets.base import Images
from tests import published


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return published.desk(tmp_path, monkeypatch)


# 3D Chairs

SIDES = ((20, 30), (0, 11, 348))
CHAIRS = ("1028b32dc1873c2afe26a3ac360dbd4", "fc8a9f4b7f5e3d8b1b1a8bb2a3e6d3b4")
Seats = Callable[..., Path]


def right_half(chair: int, elevation: int, azimuth: int) -> tuple[int, int, int]:
    return 100 * chair, 200 * elevation, 80 * azimuth


@once
def render(chair: int, elevation: int, azimuth: int) -> bytes:
    """Return a PNG: within the crop white to the left and of its own colour to the right."""
    image = np.full((600, 600, 3), [255, 0, 0], np.uint8)
    image[100:500, 100:300] = 255
    image[100:500, 300:500] = right_half(chair, elevation, azimuth)
    return png(image)


def png(image: Images) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "PNG", compress_level=1)
        return file.getvalue()


def name(chair: int, elevation: int, azimuth: int) -> str:
    p, t = SIDES[0][elevation], SIDES[1][azimuth]
    number = 3 * elevation + azimuth
    return f"rendered_chairs/{CHAIRS[chair]}/renders/image_{number:03}_p{p:03}_t{t:03}_r096.png"


ALL = list(product(range(2), range(2), range(3)))
MIDDLE = name(1, 0, 1)


@pytest.fixture
def seats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Seats:
    """Write the archive of two chairs, its members in no order, to be decoded one by one."""
    monkeypatch.setattr(archive, "CHUNK", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    for constant, count in {"CHAIRS": 2, "ELEVATIONS": 2, "AZIMUTHS": 3}.items():
        monkeypatch.setattr(chairs, constant, count)
    files = (replace(chairs.FILES[0], urls=(published.NOWHERE + "rendered_chairs.tar",)),)
    monkeypatch.setattr(chairs, "FILES", files)

    def write(more: dict[str, bytes] | None = None, without: str = "") -> Path:
        shuffled = np.random.default_rng(0).permutation(ALL).tolist()
        found = {name(*cell): render(*cell) for cell in shuffled}
        found |= {"rendered_chairs/all_chair_names.mat": b"MATLAB", **(more or {})}
        found.pop(without, None)
        published.tarred(folder / "rendered_chairs.tar", found)
        return folder / "rendered_chairs.tar"

    return write


def unpacked(path: Path) -> Path:
    """Replace the archive by what it holds, and return the folder."""
    with archive.members(path) as (names, read):
        for one in names:
            (path.parent / one).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / one).write_bytes(read(one))
    path.unlink()
    return path.with_suffix("")


def assert_chairs(images: Images, factors: list[list[int]]) -> None:
    """Check the images at some distance of the line between their halves."""
    _, channels, side, _ = images.shape
    assert factors == [list(cell) for cell in ALL]
    colours = np.array([right_half(*cell) for cell in ALL])
    if channels == 1:
        colours = np.round(colours @ [[0.299], [0.587], [0.114]]).astype(int)
    near = images[..., 9 * side // 16 :].astype(int) - colours[:, :, None, None]
    assert (images[..., : 7 * side // 16] == 255).all()
    assert np.abs(near).max() <= (channels == 1)


@pytest.mark.parametrize("form", ["archive", "folder"])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [("chairs", (1, 64, 64)), ("chairs_rgb", (3, 64, 64)), ("chairs_128", (1, 128, 128))],
)
def test_chairs_are_cropped_and_in_the_order_of_the_grid(
    seats: Seats, folder: Path, kind: str, shape: tuple[int, int, int], form: str
) -> None:
    path = seats()
    if form == "folder":
        unpacked(path)
    dataset = published.loaded(kind, folder, "rendered_chairs.tar", published.NOWHERE)
    assert dataset.shape == shape
    assert dataset.factor_names == ("chair", "elevation", "azimuth")
    assert_chairs(*published.everything(dataset))


def test_the_chairs_of_the_cache_are_found(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = packed_file.root() / "chairs"
    place.mkdir(parents=True)
    seats().rename(place / "rendered_chairs.tar")
    assert_chairs(*published.everything(load("chairs")))
    assert_chairs(*published.everything(load("chairs_rgb", folder)))


def header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG of a size, of which no pixel is there."""
    size = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + size
    return start + struct.pack(">I", zlib.crc32(size)) + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("form", ["archive", "folder"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot identify"),
        (b"<html>no such page</html>", "cannot identify"),
        (render(0, 0, 0)[:2000], "truncated"),
        (render(0, 0, 0)[:500] + b"\xaa" * 99 + render(0, 0, 0)[599:], ""),
        (png(np.zeros((128, 99, 3), np.uint8)), "it has 99 x 128 pixels, not 600 x 600"),
        (header(50_000, 50_000), "decompression bomb"),
        (header(12_000, 12_000), "it has 12000 x 12000 pixels, not 600 x 600"),
    ],
    ids=["empty", "text", "truncated", "damaged", "small", "bomb", "large"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_render_that_cannot_be_read_is_named(
    seats: Seats, folder: Path, content: bytes, says: str, form: str
) -> None:
    path = seats({MIDDLE: content})
    path = unpacked(path) if form == "folder" else path
    published.refused("chairs_rgb", folder, f"cannot read {path} ({MIDDLE}): ", says)


def test_the_bar_of_chairs_ends_before_an_error(
    seats: Seats, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seats({MIDDLE: b""})
    published.assert_silent_after("chairs", folder, capsys)


def test_chairs_that_are_not_all_there_are_counted(seats: Seats, folder: Path) -> None:
    path = seats(without=MIDDLE)
    says = f"{path} holds 11 renders of 2 chairs from 2 x 3 sides, not 2 from 2 x 3"
    published.refused("chairs", folder, says)
    published.refused("chairs", folder, f"{unpacked(path)} holds 11 renders")


def test_a_chair_too_many_is_counted(seats: Seats, folder: Path) -> None:
    path = seats({name(1, 1, 2).replace(CHAIRS[1], "other"): b""})
    published.refused("chairs", folder, f"{path} holds 13 renders of 3 chairs")


@pytest.mark.parametrize("part", [0.3, 0.9, 0.0])
def test_chairs_that_end_early_are_refused(seats: Seats, folder: Path, part: float) -> None:
    path = seats()
    published.cut(path, part)
    published.refused("chairs_128", folder, f"{path}")


def test_a_text_is_no_archive_of_chairs(seats: Seats, folder: Path) -> None:
    path = seats()
    path.write_text("no such page\n" * 99)
    published.refused("chairs", folder, f"cannot read {path}: file could not be opened")


@pytest.mark.parametrize(
    "climber", [f"../{MIDDLE}", f"/{MIDDLE}", f"rendered_chairs/../../{MIDDLE}"]
)
def test_chairs_that_climb_out_are_refused(seats: Seats, folder: Path, climber: str) -> None:
    path = seats({climber: b""})
    published.refused("chairs", folder, f"{path} is not to be trusted", repr(climber))


def test_chairs_that_are_not_there_are_asked_for(seats: Seats, folder: Path) -> None:
    published.refused("chairs_128", folder, "needs rendered_chairs.tar", published.NOWHERE)


# 3D Faces

HEADS = dict(zip(faces3d.FACTORS, (5, 3, 2, 2), strict=True))
RENDERS = np.random.default_rng(0).integers(256, size=(5, 3, 2, 2, 64, 64), dtype=np.uint8)
HALVES = np.full_like(RENDERS, 255)
HALVES[..., 32:, :] = np.arange(60).reshape(5, 3, 2, 2, 1, 1)
Heads = Callable[..., Path]


@pytest.fixture
def heads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Heads:
    """Write basel_face_renders.pth, in torch's newer format or its older."""
    monkeypatch.setattr(faces3d, "FACTORS", HEADS)

    def write(held: object, newer: bool = True) -> Path:
        path = folder / "basel_face_renders.pth"
        held = torch.from_numpy(held) if isinstance(held, np.ndarray) else held
        torch.save(held, path, _use_new_zipfile_serialization=newer)
        return path

    return write


@pytest.fixture(params=[True, False], ids=["newer", "older"])
def newer(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_faces3d_are_what_the_file_holds(heads: Heads, folder: Path, newer: bool) -> None:
    heads(RENDERS, newer)
    dataset = published.loaded("faces3d", folder, "basel_face_renders.pth")
    images, factors = published.everything(dataset)
    assert (images == RENDERS.reshape(60, 1, 64, 64)).all()
    assert dataset.factor_names == ("identity", "azimuth", "elevation", "light")
    assert factors == [list(cell) for cell in product(*map(range, HEADS.values()))]


def test_faces3d_are_halved(heads: Heads, folder: Path, newer: bool) -> None:
    heads(HALVES, newer)
    dataset = published.loaded("faces3d_32", folder, "basel_face_renders.pth")
    images, factors = published.everything(dataset)
    assert images.shape == (60, 1, 32, 32)
    assert (images[:, :, :13] == 255).all()
    assert (images[:, :, 19:] == np.arange(60)[:, None, None, None]).all()
    assert factors == [list(cell) for cell in product(*map(range, HEADS.values()))]


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (RENDERS[:4], "(4, 3, 2, 2, 64, 64), not (5, 3, 2, 2, 64, 64)"),
        (RENDERS[..., :32], "(5, 3, 2, 2, 64, 32), not (5, 3, 2, 2, 64, 64)"),
        (RENDERS.reshape(60, 64, 64), "(60, 64, 64), not (5, 3, 2, 2, 64, 64)"),
        (RENDERS.astype(np.float32), "it does not hold a tensor of bytes"),
        ({"images": torch.zeros(5)}, "it does not hold a tensor of bytes"),
    ],
)
def test_other_tensors_are_refused(
    heads: Heads, folder: Path, newer: bool, held: NDArray[np.generic] | object, says: str
) -> None:
    path = heads(held, newer)
    for kind in ("faces3d", "faces3d_32"):
        published.refused(kind, folder, f"cannot read {path}: ", says)


def test_code_in_a_tensors_file_is_not_run(
    heads: Heads, folder: Path, tmp_path: Path, newer: bool
) -> None:
    made = published.trap(tmp_path / "ran")
    path = heads([torch.from_numpy(RENDERS), made], newer)
    published.refused("faces3d", folder, f"cannot read {path}: it is no tensor that torch can load")
    assert not made.path.exists()


@pytest.mark.parametrize("part", [0.0, 0.001, 0.002, 0.5, 0.9])
def test_a_tensors_file_that_ends_early_is_refused(
    heads: Heads, folder: Path, newer: bool, part: float
) -> None:
    path = heads(RENDERS, newer)
    published.cut(path, part)
    published.refused("faces3d", folder, f"cannot read {path}: ")


def test_a_text_is_no_tensors_file(heads: Heads, folder: Path) -> None:
    path = heads(RENDERS)
    path.write_text("no such page\n" * 99)
    published.refused("faces3d_32", folder, f"cannot read {path}: it is no tensor")


def test_faces3d_that_are_not_there_are_asked_for(heads: Heads, folder: Path) -> None:
    says = (" needs basel_face_renders.pth", "--data-dir", "put it there as")
    published.refused("faces3d", folder, *says)
    published.refused("faces3d_32", None, *says)
