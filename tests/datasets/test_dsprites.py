"""dSprites: the drawing against real frames, and the comparison with the published file."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.registry import UserError
from datasets import Dataset, Grid, load, packed_file
from datasets import dsprites as module
from datasets.base import Images

# The rows of 320 frames of the published file, as runs of (first, step, count), and the SHA-256 of
# their pixels: sweeps of scale, orientation and the border of all positions, for each shape.
FRAMES = [
    (491520, 40960, 6), (696320, -40960, 6), (491520, 40960, 6), (696320, 1024, 40),
    (696320, 1, 32), (696351, 32, 32), (697343, -1, 32), (697312, -32, 32), (696320, -40960, 6),
    (245760, 40960, 6), (450560, -40960, 6), (245760, 40960, 6), (450560, 1024, 40),
    (450560, -40960, 6), (0, 40960, 6), (204800, -40960, 6), (0, 40960, 6), (204800, 1024, 40),
    (204800, -40960, 6),
]  # fmt: skip
FRAMES_SHA256 = "79e3b6d529222a04a628c13d9b5fa03b92a37b364d484a01fb5b828615af7d12"
ALL_SHA256 = "a633ec1c60535b2cb0ddce1eff200fe7d64356ac276023214a64274c9db8e6ee"


def test_real_frames_are_drawn_to_the_pixel() -> None:
    rows = np.concatenate([first + step * np.arange(count) for first, step, count in FRAMES])
    factors = np.stack(np.unravel_index(rows, module.SPEC.factor_sizes), axis=1)
    drawn = [module.draw(*turn)[32 * x + y] for *turn, x, y in factors.tolist()]
    pixels = np.unpackbits(np.stack(drawn))
    assert len(rows) == 320
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == FRAMES_SHA256


@pytest.mark.slow
def test_the_whole_set_is_the_one_that_was_checked(dsprites: Dataset) -> None:
    assert dsprites.packed.shape == (737_280, 512)
    assert packed_file.checksum(packed_file.root() / "dsprites.h5") == (ALL_SHA256, ALL_SHA256)


def test_orientation_0_and_39_are_the_same_picture(dsprites: Dataset) -> None:
    assert isinstance(dsprites, Grid)
    factors = dsprites.factors(dsprites.sample(500, np.random.default_rng(0)))
    turned = factors.copy()
    factors[:, 2], turned[:, 2] = 0, 39
    assert (
        dsprites.images(dsprites.index(factors)) == dsprites.images(dsprites.index(turned))
    ).all()


def test_x_moves_right_and_y_down(dsprites: Dataset) -> None:
    assert isinstance(dsprites, Grid)

    def centre(x: int, y: int) -> tuple[float, float]:
        v, u = np.nonzero(dsprites.images(dsprites.index(np.array([[1, 5, 0, x, y]])))[0, 0])
        return u.mean() + 0.5, v.mean() + 0.5

    assert centre(0, 0) == pytest.approx((16, 16), abs=0.1)
    assert centre(31, 0) == pytest.approx((48, 16), abs=0.1)
    assert centre(0, 31) == pytest.approx((16, 48), abs=0.1)


LOOK_AT_ALL = """
import sys
from pathlib import Path
from datasets import load
ds = load("dsprites")
for start in range(0, len(ds), 4096):
    ds.images(ds.train[start : start + 4096])
assert "torch" not in sys.modules
status = Path("/proc/self/status")
if status.exists():
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 500_000, peak
"""


def test_all_images_fit_in_500_mb_without_torch(dsprites: Dataset) -> None:
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", LOOK_AT_ALL], cwd=root, check=True)


# The published file, made small: the first turns of the drawing, and as many images as they have.


def few() -> Iterator[Images]:
    yield module.draw(0, 0, 0)
    yield module.draw(2, 5, 7)


def publish(path: Path, images: Images) -> str:
    """Write the images as the published file has them, and return the SHA-1 that git gives it."""
    classes = np.zeros((len(images), 6), np.int64)
    pixels = np.unpackbits(images, axis=1).reshape(-1, 64, 64)
    with path.open("wb") as file:
        np.savez_compressed(file, imgs=pixels, latents_classes=classes)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the published file, and a set of two turns of the drawing."""
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "TURNS", [(0, 0, 0), (2, 5, 7)])
    monkeypatch.setattr(module, "SPEC", replace(module.SPEC, factor_sizes=(2, 1, 1, 32, 32)))
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def test_the_published_file_is_compared_once(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small / module.OFFICIAL
    drawn = np.concatenate(list(few()))
    assert (load("dsprites", small).packed[:] == drawn).all()
    assert "published" not in capsys.readouterr().err
    monkeypatch.setattr(module, "OFFICIAL_SHA1", publish(path, drawn))
    assert (load("dsprites", small).packed[:] == drawn).all()
    err = capsys.readouterr().err
    assert f"all 2,048 drawn images are those of {path}" in err
    load("dsprites", small)
    assert capsys.readouterr().err == ""
    publish(path, drawn[::-1])
    with pytest.raises(UserError, match="damaged"):
        load("dsprites", small)
    path.unlink()
    assert (load("dsprites", small).packed[:] == drawn).all()
    assert capsys.readouterr().err == ""


def test_an_image_that_differs_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate(list(few()))
    images[1500, 3] ^= 4
    monkeypatch.setattr(module, "OFFICIAL_SHA1", publish(small / module.OFFICIAL, images))
    with pytest.raises(UserError, match=f"image 1500 of .*{module.OFFICIAL}"):
        load("dsprites", small)
    assert not (packed_file.root() / "dsprites.h5").exists()


def test_a_damaged_published_file_is_named_with_both_digests(small: Path) -> None:
    digest = publish(small / module.OFFICIAL, module.draw(0, 0, 0))
    with pytest.raises(UserError, match=rf"{module.OFFICIAL} .*{digest}.*{module.OFFICIAL_SHA1}"):
        load("dsprites", small)
