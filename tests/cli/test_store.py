"""`run --study FILE.toml --store`: a queue that continues anywhere, and trains nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import comparison, queue
from benchmark.comparison import Comparison
from benchmark.config.score import Scoring
from benchmark.config.study import find, read
from benchmark.registry import METHODS
from results import stored
from results.store import folders
from tests.command import ROOT, Command

STUDY = """
datasets = "toy"
metrics = ["mig", "sap"]
steps = 5
precision = "float32"
rows = "50000"
track = 5

[[grid]]
method = ["random", "truth"]

[[grid]]
method = "vae"
set = { lr = 5e-4 }
seeds = "0-1"
"""
PLAIN = (
    *("run", "--methods", "vae", "--datasets", "toy", "--steps", 5, "--precision", "float32"),
    *("--set", "vae.lr=5e-4", "--metrics", "mig,sap", "--rows", 50000),
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study" / "mine.toml"
    file.parent.mkdir()
    file.write_text(STUDY)
    return file


def planned(study: Path) -> Comparison:
    return comparison.plan(read(study), Scoring(), "cpu")


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("*-*/*")}


def test_it_continues_anywhere(command: Command, study: Path, tmp_path: Path) -> None:
    """With runs of an ordinary command, and in another folder."""
    out, file = tmp_path / "runs", study.with_suffix(".parquet")
    words = ("run", "--study", study, "--store", "--out", out)
    assert command(*PLAIN, "--seeds", "1", "--no-reference", "--out", out).code == 0
    (plain,) = folders(out)
    before = times(out)
    preview = command(*words, "--dry-run")
    assert "4 runs: 1 done, 3 missing" in preview.err
    assert not file.exists()

    first = command(*words)
    assert first.code == 0, first.err
    assert "4 runs: 1 done, 3 missing" in first.err
    assert before.items() <= times(out).items()
    rows = stored.read(file)
    assert {*rows["folder"]} == {folder.name for folder in folders(out)}
    assert plain.name in set(rows["folder"])
    assert {*rows["metric"]} == {"mig", "sap"}
    assert stored.faults(file) == []
    tracked = rows.set_index("folder")["tracked.csv"]
    assert (tracked != "").sum() == 1, "the ordinary run was not tracked"

    content = file.read_bytes()
    again = command("run", "--study", study, "--store", "--out", tmp_path / "elsewhere")
    assert again.code == 0
    assert "4 runs: 4 done" in again.err
    assert " train " not in again.err
    assert again.out == first.out == command("table", "--out", file).out
    assert not folders(tmp_path / "elsewhere")
    assert file.read_bytes() == content


def test_each_run_is_stored_when_it_ends(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt loses no finished run."""
    store, out = queue.store_of(str(study), Scoring()), tmp_path / "runs"
    todo = queue.left(planned(study), store, out)
    ended = []

    def add(self: object, out: Path, names: list[str]) -> None:
        ended.append(names)
        if len([name for names in ended for name in names]) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(queue.Store, "add", add)
    with pytest.raises(KeyboardInterrupt):
        comparison.run(todo, out, None)
    assert [len(names) for names in ended] == [0, 1, 1]


def test_what_diverged_meanwhile_is_not_trained_again(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes beside each other all have it on their lists."""
    out = tmp_path / "runs"
    todo = queue.left(planned(study), queue.store_of(str(study), Scoring()), out)
    first = next(one for one in todo.runs if one.method == "vae")

    def elsewhere(self: object, out: Path, names: list[str]) -> None:
        if not first.folder(out).has_config:
            first.folder(out).write_config(first.record("float32"))
            first.folder(out).fail("diverged", "the loss is nan", 3)

    monkeypatch.setattr(queue.Store, "add", elsewhere)
    assert comparison.run(todo, out, None) == 1
    assert first.folder(out).state == "diverged"
    assert not first.folder(out).model().exists()


def test_a_raised_version_is_another_run(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> Comparison:
        return queue.left(planned(study), queue.store_of(str(study), Scoring()), tmp_path / "runs")

    assert comparison.run(left(), tmp_path / "runs", None) == 0
    assert left().runs == ()
    entry = METHODS["vae"]
    newer = replace(entry, facts={**entry.facts, "version": entry.facts["version"] + 1})
    monkeypatch.setitem(METHODS._entries, "vae", newer)
    todo = left()
    assert [one.method for one in todo.runs] == ["vae", "vae"]
    assert comparison.run(todo, tmp_path / "runs", None) == 0
    rows = stored.read(study.with_suffix(".parquet"))
    assert {*rows.loc[rows["method"] == "vae", "method_version"]} == {newer.facts["version"]}
    assert len(rows["folder"].unique()) == 4


def test_scores_that_are_new_need_codes(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the folders are, they are computed; elsewhere it says so, and --retry trains again."""
    out, there = tmp_path / "runs", tmp_path / "elsewhere"
    store = queue.store_of(str(study), Scoring())
    assert comparison.run(queue.left(planned(study), store, out), out, None) == 0
    study.write_text(STUDY.replace('"sap"', '"modularity"'))
    capsys.readouterr()
    assert queue.left(planned(study), store, there).runs == ()
    assert capsys.readouterr().err.count("stored without scores of today; --retry trains it") == 4
    assert len(queue.left(planned(study), store, there, retry=True).runs) == 4
    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")}
    assert comparison.run(queue.left(planned(study), store, out), out, None) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")} == before
    assert "modularity" in set(stored.read(store.path)["metric"])
    assert queue.left(planned(study), store, there).runs == ()


def test_minutes(command: Command, study: Path, tmp_path: Path) -> None:
    """What trains is saved; the same command continues."""
    study.write_text(STUDY.replace("steps = 5\n", "steps = 1000000\n"))
    words = ("run", "--study", study, "--store", "--out", tmp_path / "runs")
    found = command(*words, "--methods", "vae", "--seeds", "0", "--minutes", "0.05")
    assert found.code == 130
    assert "the same command continues" in found.err
    assert "Traceback" not in found.err
    assert [*(tmp_path / "runs").glob("*/checkpoint.pt")]
    assert not study.with_suffix(".parquet").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--methods", "vae", "--datasets", "toy"), "give --study FILE.toml"),
        (("--study", "betavae2017"), "give --study FILE.toml"),
        (("--study", "FILE", "--metrics", "mig"), "are those of the study's file"),
        (("--study", "FILE", "--on", "local"), "leave out --on"),
    ],
)
def test_mistakes(
    command: Command, study: Path, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    given = [study if word == "FILE" else word for word in words]
    found = command("run", *given, "--store", "--out", tmp_path / "runs")
    assert (found.code, found.out) == (2, "")
    assert expected in found.err
    assert len(found.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_first_study() -> None:
    """dSprites, tier 1: what an ordinary command trains is what the queue looks for."""
    runs = find(str(ROOT / "results" / "stored" / "dsprites-tier1.toml")).runs()
    assert {run.precision for run in runs} == {"float32"}
    assert {run.steps for run in runs} == {0, 30_000}
    seeds = {(run.method, run.settings.get("beta")): 0 for run in runs}
    for run in runs:
        seeds[run.method, run.settings.get("beta")] += 1
    needed = {("vae", None): 6, ("betavae", 4.0): 6, ("infogan", None): 3, ("dcign", None): 3}
    references = ("untrained", "random", "truth", "pixels", "pca", "ica")
    needed |= {(name, None): 3 for name in references}
    assert needed.items() <= seeds.items()
