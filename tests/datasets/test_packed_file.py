"""Packed files: written whole or not at all, checked, and read image by image."""

import hashlib
import multiprocessing
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (HDF5 finds its LZ4 filter)
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from benchmark.registry import UserError
from datasets import Spec, downloads, packed_file
from datasets.downloads import Original

Rows = NDArray[np.uint8]

ROWS = np.random.default_rng(0).integers(256, size=(300, 64), dtype=np.uint8)
CHANGED: Rows = ROWS[::-1]


FACTORS = np.arange(600).reshape(300, 2)
SPEC = Spec("x", (1, 8, 8), 256, ("left", "right"), (600, 600))


def contents(blocks: Iterable[Rows]) -> packed_file.Contents:
    return packed_file.Contents(300, blocks, {"factors": FACTORS}, {"made_from": "nothing"})


def packed(rows: Rows = ROWS, **facts: str | int) -> Rows:
    blocks = np.split(np.ascontiguousarray(rows), 3)
    found = packed_file.packed(SPEC, lambda: contents(blocks), source="nobody", **facts)
    assert (found.tables["factors"] == FACTORS).all()
    return found.images[:]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path))
    return tmp_path


def test_the_cache_lies_where_the_user_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert packed_file.root() == folder
    monkeypatch.setenv("BENCHMARK_DATA", "~/mine")
    assert packed_file.root() == Path.home() / "mine"
    monkeypatch.delenv("BENCHMARK_DATA")
    assert packed_file.root().name == "disentanglement-benchmark"


def test_the_users_folder_is_searched_before_the_cache(folder: Path) -> None:
    mine, inner = folder / "mine", folder / "mine" / "inner"
    inner.mkdir(parents=True)
    (folder / "a").touch()
    assert downloads.find("inner", Original("a"), mine) == folder / "a"
    (inner / "a").touch()
    assert downloads.find("inner", Original("a"), mine) == inner / "a"
    assert downloads.find("inner", Original("b"), None) is None


def test_rows_are_packed_once(folder: Path) -> None:
    assert (packed() == ROWS).all()
    assert (packed(CHANGED) == ROWS).all()
    assert sorted(p.name for p in folder.iterdir()) == ["x.h5", "x.lock"]


def test_the_file_says_what_it_is(folder: Path) -> None:
    packed(colour="blue")
    facts = packed_file.about(folder / "x.h5")
    assert (facts["source"], facts["colour"], facts["made_from"]) == ("nobody", "blue", "nothing")
    assert (facts["shape"], facts["factors"]) == ("(1, 8, 8)", "left 600, right 600")
    assert {"date", "versions", "sha256"} <= set(facts)
    digest = hashlib.sha256(ROWS.tobytes()).hexdigest()
    assert packed_file.checksum(folder / "x.h5") == (digest, digest)


def test_a_file_that_lacks_a_wanted_fact_is_prepared_anew(folder: Path) -> None:
    packed(colour="blue")
    assert (packed(CHANGED) == ROWS).all()
    assert (packed(CHANGED, colour="red") == CHANGED).all()


def test_a_file_of_an_older_format_is_prepared_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed()
    monkeypatch.setattr(packed_file, "FORMAT", packed_file.FORMAT + 1)
    assert (packed(CHANGED) == CHANGED).all()


@pytest.mark.parametrize("locking", [True, False, "best-effort"])
def test_a_file_that_this_process_has_open_is_opened(folder: Path, locking: bool | str) -> None:
    packed()
    with h5py.File(folder / "x.h5", locking=locking) as file:
        assert (packed(CHANGED) == ROWS).all()
        assert packed_file.about(folder / "x.h5")["source"] == "nobody"
        assert (file["images"][()] == ROWS).all()


def test_facts_of_any_kind_are_told(folder: Path) -> None:
    packed()
    with h5py.File(folder / "x.h5", "r+") as file:
        file.attrs["format"], file.attrs["shape"] = "two", "square"
    facts = packed_file.about(folder / "x.h5")
    assert (facts["format"], facts["shape"]) == ("two", "square")


@pytest.mark.parametrize("damage", ["truncated", "zeros", "header", "empty", "text"])
def test_a_damaged_file_is_prepared_anew(
    folder: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    packed()
    path = folder / "x.h5"
    good = path.read_bytes()
    bad = {
        "truncated": good[:-5_000],
        "zeros": good[:-10_000] + bytes(10_000),
        "header": good[:100] + bytes(100) + good[200:],
        "empty": b"",
        "text": b"no such page",
    }
    path.write_bytes(bad[damage])
    assert (packed() == ROWS).all()
    said = "x.h5 is damaged or of another version: packing it again"
    assert said in capsys.readouterr().err
    assert path.stat().st_size == len(good)


def test_the_checksum_finds_a_single_wrong_bit(folder: Path) -> None:
    rows = packed()
    path = folder / "x.h5"
    content = bytearray(path.read_bytes())
    content[content.index(rows[1].tobytes())] ^= 1
    path.write_bytes(content)
    stated, actual = packed_file.checksum(path)
    assert stated != actual


@pytest.mark.parametrize("end", [KeyboardInterrupt, MemoryError, ValueError])
def test_what_ends_early_leaves_no_file(folder: Path, end: type[BaseException]) -> None:
    def blocks() -> Iterator[Rows]:
        yield ROWS[:100]
        raise end

    with pytest.raises(end):
        packed_file.packed(SPEC, lambda: contents(blocks()), source="nobody")
    assert [p.name for p in folder.iterdir()] == ["x.lock"]


def test_too_few_rows_are_no_data_set(folder: Path) -> None:
    with pytest.raises(ValueError, match="given 100 rows, not 300"):
        packed_file.packed(SPEC, lambda: contents([ROWS[:100]]), source="nobody")
    assert not (folder / "x.h5").exists()


def test_what_a_killed_process_left_is_swept_away(folder: Path) -> None:
    (folder / "x.0123.part").write_bytes(bytes(100))
    packed()
    assert not (folder / "x.0123.part").exists()


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot prepare x in .*file.*BENCHMARK_DATA"):
        packed()


def _limited(folder: Path) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    with pytest.raises(
        UserError, match=r"cannot prepare x in .*: File too large; set BENCHMARK_DATA"
    ):
        packed()
    assert [p.name for p in folder.iterdir()] == ["x.lock"]


def test_a_full_disk_is_a_user_error(folder: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_limited, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0


def _pack_and_count(counter: Path) -> None:
    def blocks() -> Iterator[Rows]:
        with counter.open("a") as file:
            file.write("packed\n")
        yield from np.split(ROWS, 3)

    found = packed_file.packed(SPEC, lambda: contents(blocks()), source="nobody")
    assert (found.images[:] == ROWS).all()


def test_of_several_processes_one_packs(folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_pack_and_count, repeat(folder / "count", 3), chunksize=1)
    assert (folder / "count").read_text() == "packed\n"


def test_a_lock_left_behind_blocks_nobody(folder: Path) -> None:
    (folder / "x.lock").touch()
    assert (packed() == ROWS).all()


SMOOTH = np.repeat(np.arange(256, dtype=np.uint8), 4000).reshape(-1, 4000)[:, :1000].copy()


def opened(folder: Path, rows: Rows, parts: int = 1) -> packed_file.Packed:
    """The packed file of rows, as opened again."""
    path = folder / "rows.h5"
    packed_file.pack(
        path, rows.shape[1], packed_file.Contents(len(rows), np.array_split(rows, parts)), {}
    )
    found = packed_file.open_packed(path, rows.shape[1])
    assert found is not None
    return found


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 300))),
    st.integers(1, 5),
    st.data(),
)
def test_any_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, parts: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    images = opened(folder, rows, parts).images
    assert (len(images), images.shape, images.nbytes) == (len(rows), rows.shape, rows.nbytes)
    assert (images[:] == rows).all()
    index = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1))), np.int64)
    assert (images[index] == rows[index]).all()
    start, stop = (data.draw(st.integers(-50, 50)) for _ in range(2))
    assert (images[start:stop] == rows[start:stop]).all()
    assert images[index].flags.writeable


def test_hdf5_reads_the_images_with_its_own_filter(folder: Path) -> None:
    """One that is smooth and one that is noise, which no filter makes smaller."""
    rows = np.concatenate([SMOOTH, np.tile(ROWS[:256], 16)[:, :1000]])
    opened(folder, rows)
    with h5py.File(folder / "rows.h5") as file:
        assert file["images"].chunks == (1, 1000)
        assert (file["images"][()] == rows).all()


def test_smooth_images_take_less_room_and_no_room_is_left_over(folder: Path) -> None:
    opened(folder, np.tile(SMOOTH, (40, 1)))
    bytes_of_an_image = (folder / "rows.h5").stat().st_size / len(SMOOTH) / 40
    assert bytes_of_an_image < 80


def test_noise_takes_hardly_more_than_itself(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(2000, 1000), dtype=np.uint8)
    opened(folder, noise)
    assert (folder / "rows.h5").stat().st_size < 1.06 * noise.nbytes


def test_a_damaged_image_is_found_when_it_is_read_and_not_before(folder: Path) -> None:
    """Of 256 images the probe looks at 32."""
    opened(folder, SMOOTH)
    path = folder / "rows.h5"
    with h5py.File(path) as file:
        place = int(file["chunk_start"][1])
    content = bytearray(path.read_bytes())
    content[place + 16 : place + 26] = b"\xff" * 10
    path.write_bytes(content)
    found = packed_file.open_packed(path, SMOOTH.shape[1])
    assert found is not None
    assert (found.images[2:] == SMOOTH[2:]).all()
    with pytest.raises(UserError, match=r"rows.h5: damaged: .*; remove it to have it packed again"):
        found.images[np.array([0, 1])]
    with pytest.raises(UserError, match=r"rows.h5: damaged"):
        packed_file.checksum(path)


def test_a_damaged_header_is_found_by_the_checksum(folder: Path) -> None:
    """It is HDF5's alone: what is read here is whole."""
    opened(folder, SMOOTH)
    path = folder / "rows.h5"
    with h5py.File(path) as file:
        place = int(file["chunk_start"][7])
    for byte in range(16):
        content = bytearray(path.read_bytes())
        content[place + byte] ^= 1
        path.with_name("bad.h5").write_bytes(content)
        with pytest.raises(UserError, match=r"bad.h5: damaged: a chunk's header"):
            packed_file.checksum(path.with_name("bad.h5"))
    stated, actual = packed_file.checksum(path)
    assert stated == actual


def _filled(folder: Path) -> None:
    import resource

    rows = np.random.default_rng(0).integers(256, size=(3000, 1000), dtype=np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    with pytest.raises(OSError, match="File too large"):
        opened(folder, rows, parts=30)
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_up_half_way_leaves_nothing_and_does_not_crash(folder: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_filled, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0
