"""The index of run folders: what it says is what reading them all would say."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from results import frame, frame_cache
from results.frame import tidy
from results.store import Folder, folders
from tests.synthetic import METRICS, study

RUNS = frame_cache.FEW + 6


@pytest.fixture
def out(tmp_path: Path) -> Path:
    study(tmp_path / "runs", RUNS)
    return tmp_path / "runs"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the folders that are read from now on."""
    names: list[str] = []
    outcome = Folder.outcome

    def noted(folder: Folder) -> object:
        names.append(folder.name)
        return outcome(folder)

    monkeypatch.setattr(Folder, "outcome", noted)
    return names


def unindexed(out: Path) -> pd.DataFrame:
    """Return `tidy` as it is without an index."""
    (out / frame_cache.NAME).unlink(missing_ok=True)
    frame = tidy(out)
    (out / frame_cache.NAME).unlink(missing_ok=True)
    return frame


def test_what_did_not_change_is_not_read_again(out: Path, read: list[str]) -> None:
    first = tidy(out)
    assert len(first) == RUNS * len(METRICS)
    assert len(read) == RUNS
    pd.testing.assert_frame_equal(tidy(out), first)
    assert len(read) == RUNS
    pd.testing.assert_frame_equal(
        tidy(out, {"seed": [3]}), unindexed(out).query("seed == 3").reset_index(drop=True)
    )


def _rewrite(path: Path) -> None:
    """Write other content of the same length with the same time."""
    before, text = path.stat(), path.read_text()
    path.write_text(text.replace('"images": 10000', '"images": 20000'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "another value": lambda run: _rewrite(run / "scores.json"),
    "no longer done": lambda run: (run / "scores.json").unlink(),
    "half-written": lambda run: (run / "scores.json").write_text('{"rows": ['),
    "without run.json": lambda run: (run / "run.json").unlink(),
    "another dataset": lambda run: (run / "run.json").write_text(
        (run / "run.json").read_text().replace('"dsprites"', '"d"')
    ),
    "no folder": shutil.rmtree,
    "another name": lambda run: run.rename(run.with_name(f"a-b-0-{run.name[-10:]}")),
    "another folder in its place": lambda run: shutil.copytree(
        folders(run.parent)[9].path, run, dirs_exist_ok=True
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_read_again(out: Path, read: list[str], what: str) -> None:
    before = tidy(out)
    CHANGES[what](folders(out)[7].path)
    read.clear()
    after = tidy(out)
    assert len(read) <= 1
    assert not after.equals(before)
    pd.testing.assert_frame_equal(after, unindexed(out))


def test_what_failed_is_read_again_after_another_attempt(out: Path, read: list[str]) -> None:
    run = folders(out)[0]
    (run.path / "scores.json").unlink()
    run.fail("failed", "out of memory")
    assert tidy(out)["state"].tolist()[0] == "failed"
    run.forget_failure()
    assert tidy(out)["state"].tolist()[0] == "unfinished"
    assert len(read) == RUNS + 1


def _torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def _bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("folder,stamp\n"),
    "torn": _torn,
    "a bit": _bit,
    "a folder, which cannot be replaced either": _folder,
    "another table": lambda path: pd.DataFrame({"stamp": [1], "folder": [2]}).to_parquet(path),
    "fewer columns": lambda path: pd.read_parquet(path).drop(columns="value").to_parquet(path),
    "other types": lambda path: (
        pd.read_parquet(path).assign(value="high", seed=1.5).to_parquet(path)
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_index_is_made_anew(out: Path, read: list[str], what: str) -> None:
    first = tidy(out)
    DAMAGES[what](out / frame_cache.NAME)
    read.clear()
    pd.testing.assert_frame_equal(tidy(out), first)
    assert len(read) == RUNS
    read.clear()
    tidy(out)
    assert len(read) == (RUNS if (out / frame_cache.NAME).is_dir() else 0)


def test_an_index_of_other_code_is_not_believed(
    out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tidy(out)
    monkeypatch.setattr(frame_cache, "_code", lambda: "another")
    tidy(out)
    assert len(read) == 2 * RUNS


def test_an_index_says_nothing_of_broken_runs(out: Path) -> None:
    (folders(out)[0].path / "run.json").write_text("{")
    tidy(out)
    moved = out.rename(out.with_name("elsewhere"))
    (broken,) = (frame := tidy(moved))[frame["state"] == "broken"]["reason"]
    assert str(moved) in broken


def test_a_small_study_is_left_without_an_index(tmp_path: Path) -> None:
    study(tmp_path, 3)
    assert frame.tidy(tmp_path)["folder"].nunique() == 3
    assert not (tmp_path / frame_cache.NAME).exists()
