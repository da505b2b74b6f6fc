"""Stored runs: one file that says what their folders said, and what is wrong with a file."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.queue import Store
from benchmark.registry import METHODS, METRICS, UserError
from docs.generate import filled
from results import stored
from results.frame import COLUMNS, tidy
from results.store import Folder, folders
from tests.command import Command
from tests.studies import done, row, small_study

MADE = {"versions": {"torch": "2.15.0"}, "machine": {"cpu": "one", "threads": 2}}


def names(out: Path) -> list[str]:
    return [folder.name for folder in folders(out)]


def trained(out: Path, method: str, seed: int, value: float, **how: Any) -> Folder:
    how = {"version": METHODS[method].facts["version"], "steps": 70, "budget": "steps"} | how
    protocol = METRICS["mig"].facts["protocol"]
    rows = [row(metric, value, protocol=protocol) for metric in ("mig", "mig@generator")]
    folder = done(out, method, seed, *rows, **how)
    folder.write_config(folder.config | MADE)
    return folder


def good_study(out: Path) -> Path:
    for seed in range(3):
        trained(out, "vae", seed, 0.1 + seed / 100).tracked.write_text("step,mig\n35,0.05\n")
    trained(out, "random", 0, 0.0, steps=0)
    trained(out, "truth", 0, 0.9, steps=0)
    return out


def test_a_file_says_what_the_folders_said(command: Command, tmp_path: Path) -> None:
    """Runs that diverged, floor and ceiling, intervals and all."""
    out, file = small_study(tmp_path / "runs"), tmp_path / "mine.parquet"
    stored.add(file, out, names(out), names(out))
    pd.testing.assert_frame_equal(tidy(stored.opened(file)), tidy(out))
    printed = [command("table", "--out", place).out for place in (out, file)]
    assert "diverged" in printed[0]
    assert printed[0] == printed[1]


def test_what_is_kept_beside_the_scores(tmp_path: Path) -> None:
    out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
    stored.add(file, out, names(out), names(out))
    rows = stored.read(file)
    vae = rows[rows["method"] == "vae"].iloc[:2]
    assert vae["side"].tolist() == ["encoder", "generator"]
    assert vae["training_seconds"].tolist() == [1.0, 1.0]
    assert vae["machine"].tolist() == ["cpu=one, threads=2"] * 2
    assert vae["versions"].tolist() == ["torch=2.15.0"] * 2
    assert vae["command"].str.contains("run --methods vae --datasets dsprites --steps 70").all()
    assert vae["command"].str.contains("--rows all --metrics mig --side both").all()
    unpacked = stored.opened(file)
    assert (unpacked / vae["folder"].iloc[0] / "tracked.csv").read_text() == "step,mig\n35,0.05\n"


def test_runs_are_replaced_and_those_of_no_study_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
    old = trained(out, "vae", 0, 0.1, version=0)
    stored.add(file, out, names(out), names(out))
    new = trained(out, "vae", 0, 0.7)
    assert capsys.readouterr().err == ""
    stored.add(file, out, [new.name], {*names(out)} - {old.name})
    assert "1 runs that the study no longer has are removed" in capsys.readouterr().err
    rows = stored.read(file).drop_duplicates("folder").set_index("folder")["value"]
    assert rows[new.name] == 0.7
    assert {*rows.index} == {*names(out)} - {old.name}


def test_who_stores_at_once_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    runs = [trained(out, "vae", seed, seed / 10).name for seed in range(8)]
    store = Store(tmp_path / "mine.parquet", frozenset(runs))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.add(out, [name]), runs))
    assert sorted(stored.read(store.path)["folder"].unique()) == runs
    assert {path.suffix for path in tmp_path.iterdir()} <= {"", ".parquet", ".lock"}


@pytest.mark.parametrize("text", ["", "mine", "PAR1"])
def test_another_file_is_one_line(command: Command, tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.parquet"
    file.write_text(text)
    for words in (("table",), ("plot",), ("report",)):
        found = command(*words, "--out", file)
        assert (found.code, found.out) == (2, "")
        assert f"{file} is not a file of stored runs" in found.err


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
    stored.add(file, out, names(out), names(out))
    rows = stored.read(file)
    rows["folder"] = "../" + rows["folder"]
    rows.to_parquet(file)
    with pytest.raises(UserError, match="is not a run's name"):
        stored.unpack(file, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_figures_and_page_of_a_file(command: Command, tmp_path: Path) -> None:
    """Of scores, tracked ones too; what needs pictures says that they were not kept."""
    out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
    stored.add(file, out, names(out), names(out))
    drawn = command("plot", "--out", file, "--figures", "scores,steps,traversals")
    assert drawn.code == 0, drawn.err
    assert "left out: traversals: " in drawn.err
    assert "--keep scores" in drawn.err
    paths = {Path(line) for line in drawn.out.splitlines()}
    assert {path.parent for path in paths} == {tmp_path / "mine" / "figures"}
    assert len(paths) == 2 * 2
    page = command("report", "--out", file)
    assert (page.code, page.out) == (0, f"{tmp_path / 'mine' / 'report.html'}\n"), page.err


class TestFaults:
    def of(self, out: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> list[str]:
        file = out.with_suffix(".parquet")
        stored.add(file, out, names(out), names(out))
        change(stored.read(file)).to_parquet(file)
        return stored.faults(file)

    def test_a_good_file_has_none(self, tmp_path: Path) -> None:
        assert self.of(good_study(tmp_path / "runs"), lambda rows: rows) == []

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({"version": 0}, "does not say by which versions"),
            ({"precision": "bfloat16"}, "several precisions: bfloat16, float32"),
            ({"settings": {}, "budget": "steps", "defaults": {"beta": 1.0}}, "has the seed of"),
        ],
    )
    def test_a_run_that_does_not_fit(
        self, tmp_path: Path, how: dict[str, Any], expected: str
    ) -> None:
        out = good_study(tmp_path / "runs")
        trained(out, "vae", 1, 0.2, **how)
        (fault,) = self.of(out, lambda rows: rows)
        assert expected in fault

    def test_a_protocol_of_before(self, tmp_path: Path) -> None:
        out = good_study(tmp_path / "runs")
        done(out, "vae", 7, row("mig", 0.2, protocol="old"), version=1, steps=70)
        faults = self.of(out, lambda rows: rows)
        assert any(text.startswith("mig was scored by old, and is by ") for text in faults)

    @pytest.mark.parametrize(("method", "name"), [("random", "floor"), ("truth", "ceiling")])
    def test_no_reference(self, tmp_path: Path, method: str, name: str) -> None:
        found = self.of(good_study(tmp_path / "runs"), lambda rows: rows[rows["method"] != method])
        assert found == [f"dsprites has no {name}: no run of {method}"]

    def test_a_typed_number(self, tmp_path: Path) -> None:
        better = self.of(
            good_study(tmp_path / "runs"), lambda rows: rows.assign(value=rows["value"] + 0.1)
        )
        assert better == ["the columns are not what the records say"]


class TestPages:
    PAGE = "# P\n\n<!-- table: {} -->\nstale 0.9\n<!-- end of the table -->\n\nMore.\n"

    def test_the_table_is_that_of_the_file(self, tmp_path: Path) -> None:
        out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
        trained(out, "vae", 5, 0.9, version=METHODS["vae"].facts["version"] - 1)
        trained(out, "pca", 0, 0.3)
        stored.add(file, out, names(out), names(out))
        page = filled(self.PAGE.format("mine.parquet --methods vae,random"), tmp_path)
        assert page.startswith("# P\n\n<!-- table: mine.parquet --methods vae,random -->\n")
        assert page.endswith("\n<!-- end of the table -->\n\nMore.\n")
        assert "stale" not in page
        assert "| vae | images | encoder | 3 | 0 | 0.110 \\[" in page, "an old version counts"
        assert "random (floor)" in page
        assert "pca" not in page
        assert "minutes of training, mean over runs: vae 0" in page
        assert " runs on: cpu=one, threads=2" in page
        assert filled(page, tmp_path) == page

    def test_no_runs_yet(self, tmp_path: Path) -> None:
        page = filled(self.PAGE.format("nowhere.parquet"), tmp_path)
        assert "\n\nNo runs are stored yet.\n\n" in page
        assert "stale" not in page

    def test_an_unknown_option(self, tmp_path: Path) -> None:
        out, file = good_study(tmp_path / "runs"), tmp_path / "mine.parquet"
        stored.add(file, out, names(out), names(out))
        with pytest.raises(TypeError, match="metric"):
            filled(self.PAGE.format("mine.parquet --metric mig"), tmp_path)


@pytest.mark.parametrize("file", sorted(Path(stored.__file__).parent.glob("stored/*.parquet")))
def test_what_is_stored_here_can_be_compared(file: Path) -> None:
    assert stored.faults(file) == []
    assert file.stat().st_size < 1_000_000
    assert file.with_suffix(".toml").exists()
    assert {*COLUMNS, *stored.MORE} <= {*stored.read(file).columns}
