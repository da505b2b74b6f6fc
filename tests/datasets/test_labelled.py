"""CelebA and SVHN on small files of the published formats."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from datasets import Table, celeba, load, packed_file, svhn
from datasets.base import Images
from tests import published


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return published.desk(tmp_path, monkeypatch)


# CelebA

NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    "Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    "Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard "
    "Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair "
    "Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
COUNT = 9
FILES = [f"{number:06}.jpg" for number in range(1, COUNT + 1)]
ATTRIBUTES = np.random.default_rng(0).choice([-1, 1], (COUNT, 40))
IDENTITY = [2880, 2937, 8692, 5805, 9295, 2880, 9295, 4153, 10177]
SPLIT = [0, 0, 2, 0, 1, 2, 0, 1, 2]
SHUFFLED = [4, 8, 0, 7, 2, 6, 1, 5, 3]
Faces = Callable[..., Path]


def right_half(face: int) -> list[int]:
    return [250 - 20 * face, 30 * face, 90]


def face(number: int) -> bytes:
    """Return a JPEG: within the crop white to the left and of its own colour to the right."""
    image = np.zeros((218, 178, 3), np.uint8)
    image[35:183, 15:89] = 255
    image[35:183, 89:163] = right_half(number)
    return jpeg(image)


def jpeg(image: Images) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=100, subsampling=0)
        return file.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("img_align_celeba/", b"")
        for name, content in files.items():
            archive.writestr(name, content)


def texts() -> dict[str, str]:
    """Return the three text files; only the list of attributes is in the order of the images."""
    rows = [" ".join(f"{value:2}" for value in row) for row in ATTRIBUTES.tolist()]
    listed = [f"{file} {row}\n" for file, row in zip(FILES, rows, strict=True)]
    return {
        "list_attr_celeba.txt": f"{COUNT}\n{NAMES} \n" + "".join(listed),
        "identity_CelebA.txt": "".join(f"{FILES[k]} {IDENTITY[k]}\n" for k in SHUFFLED),
        "list_eval_partition.txt": "".join(f"{FILES[k]} {SPLIT[k]}\n" for k in SHUFFLED),
    }


@pytest.fixture
def faces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Faces:
    """Write the archive, in no order, and the texts, and have them be the right ones."""

    def write(
        more: dict[str, bytes] | None = None,
        without: str = "",
        change: Callable[[Path], object] = str,
        **changed: str,
    ) -> Path:
        path = folder / "img_align_celeba.zip"
        images = {f"img_align_celeba/{FILES[k]}": face(k) for k in SHUFFLED} | (more or {})
        images.pop(without, None)
        zipped(path, images)
        change(path)
        for name, text in texts().items():
            (folder / name).write_text(changed.get(name.removesuffix(".txt"), text))
        for constant in ("IMAGES", "ATTRIBUTES", "IDENTITIES", "SPLIT"):
            one = published.right(getattr(celeba, constant), folder)
            monkeypatch.setattr(celeba, constant, one)
        files = (celeba.IMAGES, celeba.ATTRIBUTES, celeba.IDENTITIES, celeba.SPLIT)
        monkeypatch.setattr(celeba, "FILES", files)
        return path

    return write


def unpacked(path: Path) -> Path:
    """Replace the archive by what it holds, and return the folder."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)
    path.unlink()
    return path.with_suffix("")


def assert_faces(dataset: object) -> None:
    assert isinstance(dataset, celeba.CelebA)
    images, factors = published.everything(dataset)
    side = images.shape[-1]
    colours = np.array([right_half(k) for k in range(COUNT)])[:, :, None, None]
    assert (images[..., : 7 * side // 16] >= 252).all()
    assert np.abs(images[..., 9 * side // 16 :].astype(int) - colours).max() <= 3
    assert (np.array(factors) == (ATTRIBUTES > 0)).all()
    assert dataset.factor_names == tuple(NAMES.split())
    assert dataset.factor_sizes == (2,) * 40
    assert dataset.identity.tolist() == IDENTITY
    assert dataset.split.tolist() == SPLIT
    assert (dataset.train.tolist(), dataset.test.tolist()) == ([0, 1, 3, 6], [2, 5, 8])
    assert set(dataset.sample(100, np.random.default_rng(0)).tolist()) == {0, 1, 3, 6}


@pytest.mark.parametrize("form", ["archive", "folder"])
@pytest.mark.parametrize(("name", "side"), [("celeba", 64), ("celeba_32", 32)])
def test_celeba_is_cropped_and_labelled(
    faces: Faces, folder: Path, name: str, side: int, form: str
) -> None:
    path = faces()
    if form == "folder":
        unpacked(path)
    made_from = [f"{one.name} {one.urls[0]} {one.md5}" for one in celeba.FILES]
    dataset = published.loaded(name, folder, *made_from)
    assert dataset.shape == (3, side, side)
    assert_faces(dataset)


def test_the_files_of_celeba_may_lie_in_a_folder_of_that_name(faces: Faces, folder: Path) -> None:
    faces()
    (folder / "celeba").mkdir()
    for path in folder.glob("*.*"):
        path.rename(folder / "celeba" / path.name)
    assert_faces(load("celeba", folder))


BAD = "img_align_celeba/000005.jpg"


@pytest.mark.parametrize("form", ["archive", "folder"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot identify"),
        (b"<html>no such page</html>", "cannot identify"),
        (face(4)[:1500], ""),
        (jpeg(np.zeros((178, 218, 3), np.uint8)), "it has 218 x 178 pixels, not 178 x 218"),
    ],
)
def test_a_face_that_cannot_be_read_is_named(
    faces: Faces, folder: Path, content: bytes, says: str, form: str
) -> None:
    path = faces({BAD: content})
    path = unpacked(path) if form == "folder" else path
    published.refused("celeba", folder, f"cannot read {path} ({BAD}): ", says)


def test_a_damaged_member_of_the_archive_is_named(faces: Faces, folder: Path) -> None:
    path = faces(change=lambda path: published.spoil(path, face(4)[700:]))
    published.refused("celeba_32", folder, f"cannot read {path} ({BAD}): Bad CRC-32")


def test_the_bar_of_celeba_ends_before_an_error(
    faces: Faces, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces(change=lambda path: published.spoil(path, face(4)[700:]))
    published.assert_silent_after("celeba", folder, capsys)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_an_archive_of_faces_that_ends_early_is_refused(
    faces: Faces, folder: Path, part: float
) -> None:
    path = faces(change=lambda path: published.cut(path, part))
    published.refused("celeba", folder, f"cannot read {path}: File is not a zip file")


def test_faces_that_are_not_there_are_named(faces: Faces, folder: Path) -> None:
    path = faces(without=BAD)
    says = f"lacks 1 of the 9 images that list_attr_celeba.txt lists, the first is {BAD}"
    published.refused("celeba", folder, f"{path} {says}")
    published.refused("celeba", folder, f"{unpacked(path)} {says}")


@pytest.mark.parametrize("climber", ["../x.jpg", "/x.jpg", "img_align_celeba/../../x.jpg"])
def test_faces_that_climb_out_are_refused(faces: Faces, folder: Path, climber: str) -> None:
    path = faces({climber: face(0)})
    published.refused("celeba", folder, f"{path} is not to be trusted", repr(climber))


TEXTS = texts()
LINES = TEXTS["list_attr_celeba.txt"].splitlines(keepends=True)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("list_attr_celeba", "".join(["10\n", *LINES[1:]]), "it says 10 images and lists 9"),
        ("list_attr_celeba", "".join(LINES[:-1]), "it says 9 images and lists 8"),
        ("list_attr_celeba", "".join(["many\n", *LINES[1:]]), "'many'"),
        ("list_attr_celeba", "".join([*LINES[:-1], LINES[-1][:-4]]), ""),
        ("list_attr_celeba", "".join([LINES[0], "Young\n", *LINES[2:]]), "not one of -1 and 1"),
        ("list_attr_celeba", TEXTS["list_attr_celeba.txt"].replace(" 1", " 0", 1), "not one of"),
        ("list_attr_celeba", TEXTS["list_attr_celeba.txt"].replace(" 1", " 999", 1), ""),
        ("list_attr_celeba", "", "not enough values"),
        ("identity_CelebA", TEXTS["identity_CelebA.txt"][:49], "images are not in it, the first"),
        ("identity_CelebA", "000001.jpg\n", "length 1"),
        ("identity_CelebA", TEXTS["identity_CelebA.txt"].replace("4153", "he"), "'he'"),
        ("list_eval_partition", TEXTS["list_eval_partition.txt"][13:], "1 images are not in it"),
        ("list_eval_partition", "", "9 images are not in it, the first is 000001.jpg"),
    ],
)
def test_a_text_that_does_not_fit_is_named(
    faces: Faces, folder: Path, name: str, text: str, says: str
) -> None:
    faces(**{name: text})
    published.refused("celeba", folder, f"cannot read {folder / name}.txt: ", says)


@pytest.mark.parametrize("name", ["img_align_celeba.zip", *TEXTS])
def test_each_file_of_celeba_is_needed_and_checked(faces: Faces, folder: Path, name: str) -> None:
    faces()
    path = folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    published.refused("celeba", folder, f"{path} is damaged or not the published file: its MD5 is")
    path.unlink()
    published.refused("celeba_32", folder, f"needs {name}", f"{published.NOWHERE}{name}")


# SVHN

TRAIN, TEST = 7, 5
NUMBERS = np.random.default_rng(0).integers(256, size=(TRAIN + TEST, 3, 32, 32), dtype=np.uint8)
DIGITS = np.array([10, 1, 9, 2, 3, 10, 5, 10, 4, 6, 7, 8], np.uint8)
Houses = Callable[..., Path]


def mat(**arrays: NDArray[np.generic]) -> bytes:
    with io.BytesIO() as file:
        savemat(file, arrays, do_compression=True)  # type: ignore[arg-type]
        return file.getvalue()


def part(rows: slice) -> dict[str, NDArray[np.generic]]:
    """Return X (32, 32, 3, N) and y (N, 1) of some numbers."""
    return {"X": NUMBERS[rows].transpose(2, 3, 1, 0), "y": DIGITS[rows, None]}


PARTS = {"train": part(slice(TRAIN)), "test": part(slice(TRAIN, None))}


@pytest.fixture
def houses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Houses:
    """Write both files, that of one part changed, and have them be the right ones."""

    def write(which: str = "train", content: bytes | None = None) -> Path:
        files = []
        for one, (split, arrays) in zip(svhn.FILES, PARTS.items(), strict=True):
            changed = which == split and content is not None
            (folder / one.name).write_bytes(content if changed and content else mat(**arrays))
            files.append(published.right(one, folder))
        monkeypatch.setattr(svhn, "FILES", tuple(files))
        return folder / f"{which}_32x32.mat"

    return write


@pytest.mark.parametrize("within", ["", "svhn"])
def test_svhn_is_what_the_files_hold(houses: Houses, folder: Path, within: str) -> None:
    houses()
    (folder / within).mkdir(exist_ok=True)
    for path in folder.glob("*.mat"):
        path.rename(folder / within / path.name)
    made_from = [f"{one.name} {one.urls[0]} {one.md5}" for one in svhn.FILES]
    dataset = published.loaded("svhn", folder, *made_from)
    images, factors = published.everything(dataset)
    assert (images == NUMBERS).all()
    assert dataset.factor_names == ("digit",)
    assert factors == [[digit % 10] for digit in DIGITS.tolist()]
    assert isinstance(dataset, Table)
    assert (dataset.train.tolist(), dataset.test.tolist()) == ([*range(7)], [*range(7, 12)])
    zeros = dataset.sample_fixed(0, 0, 100, np.random.default_rng(0))
    assert set(zeros.tolist()) == {0, 5}


def test_the_files_of_svhn_may_lie_apart(houses: Houses, folder: Path) -> None:
    path = houses("test")
    packed_file.root().mkdir()
    path.rename(packed_file.root() / path.name)
    assert (load("svhn", folder).packed[:] == NUMBERS.reshape(12, -1)).all()


X, Y = PARTS["test"]["X"], PARTS["test"]["y"]


@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pickle.dumps({"X": X, "y": Y}), "Unknown mat file type"),
        (mat(X=X, y=Y)[:500], ""),
        (b"<html>no such page</html>" * 20, ""),
        (mat(X=X), "'y'"),
        (mat(y=Y), "'X'"),
        (mat(X=X, y=Y[:4]), "(5, 3, 32, 32)"),
        (mat(X=X[:16, :16], y=Y), "(5, 3, 16, 16)"),
        (mat(X=X[..., 0], y=Y[:1]), ""),
        (mat(X=X.astype(np.float64), y=Y), "float64"),
        (mat(X=X.transpose(3, 2, 0, 1), y=Y), "(32, 32, 5, 3)"),
        (mat(X=X, y=Y + 1), "11"),
    ],
)
def test_an_svhn_that_cannot_be_read_is_named(
    houses: Houses, folder: Path, which: str, content: bytes, says: str
) -> None:
    path = houses(which, content)
    published.refused("svhn", folder, f"cannot read {path}: ", says)


def test_code_in_an_svhn_is_not_run(houses: Houses, folder: Path, tmp_path: Path) -> None:
    made = published.trap(tmp_path / "ran")
    path = houses("test", pickle.dumps({"X": X, "y": [made]}))
    published.refused("svhn", folder, f"cannot read {path}: ")
    assert not made.path.exists()


@pytest.mark.parametrize("which", ["train", "test"])
def test_each_file_of_svhn_is_needed_and_checked(houses: Houses, folder: Path, which: str) -> None:
    path = houses(which)
    path.write_bytes(path.read_bytes() + b"\0")
    published.refused("svhn", folder, f"{path} is damaged or not the published file: its MD5 is")
    path.unlink()
    published.refused("svhn", folder, f"svhn needs {path.name}", published.NOWHERE)
