"""Scores over training steps: what they are, and that nobody can tell a run they were taken of."""

import csv
from pathlib import Path

import pytest
import torch

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation.tracking import Track
from benchmark.runner import Context, execute
from benchmark.training.loop import Stopped
from datasets import Dataset
from results.store import Folder
from tests.command import Command
from tests.training.test_loop import After, assert_same

STEPS, EVERY = 70, 20
MIG, SAP = Score("mig"), Score("sap")


def go(out: Path, toy: Dataset, track: Track, method: str = "vae", stop: int = 0) -> Folder:
    torch.manual_seed(torch.seed() % 2**31)
    run = Run("toy", method, 0, STEPS, {"batch_size": 16}, "steps", "float32")
    context = Context(out, torch.device("cpu"), After(stop), track)
    return execute(run, toy, [MIG, SAP], context)


def rows(folder: Folder) -> list[dict[str, str]]:
    return list(csv.DictReader(folder.tracked.read_text().splitlines()))


@pytest.mark.parametrize("method", ["vae", "infogan"])
def test_training_goes_on_as_if_nobody_had_looked(
    toy: Dataset, tmp_path: Path, method: str
) -> None:
    without = go(tmp_path / "without", toy, Track(), method)
    watched = go(tmp_path / "watched", toy, Track(EVERY, (MIG,)), method)
    assert_same(without, watched)
    assert not without.tracked.exists()
    assert [row["step"] for row in rows(watched)] == ["20", "40", "60"]


def test_the_last_is_the_score_of_the_run(toy: Dataset, tmp_path: Path) -> None:
    folder = go(tmp_path, toy, Track(STEPS, (MIG, SAP, Score("mig", "generator"), Score("fid"))))
    (last,) = rows(folder)
    assert folder.scores is not None
    told = {row["metric"]: row["value"] for row in folder.scores["rows"]}
    assert len(toy) < 10_000  # all are scored, both times
    assert {name: float(last[name]) for name in ("mig", "sap")} == pytest.approx(told, rel=1e-5)
    assert set(last) == {"step", "mig", "sap"}


def test_a_stopped_run_is_tracked_as_one_that_was_not(toy: Dataset, tmp_path: Path) -> None:
    track = Track(EVERY, (MIG,))
    whole = go(tmp_path / "whole", toy, track)
    with pytest.raises(Stopped):
        go(tmp_path / "parts", toy, track, stop=25)
    folder = next(Folder(path) for path in (tmp_path / "parts").iterdir() if path.is_dir())
    with folder.tracked.open("a") as file:
        file.write("40,0.5\n60,0.5\n")  # as by a run that was killed after its last checkpoint
    assert_same(whole, go(tmp_path / "parts", toy, track))
    assert rows(folder) == rows(whole)


def test_on_the_command_line(command: Command, tmp_path: Path) -> None:
    words: tuple[str, ...] = ("run", "--datasets", "toy", "--methods", "vae,gan,pca")
    words += ("--steps", "40", "--metrics", "mig", "--no-reference", "--out", str(tmp_path))
    said = command(*words, "--track", "20")
    assert said.code == 0
    assert "no scores over the steps of gan: " in said.err
    drawn = command("plot", "--out", tmp_path, "--figures", "steps")
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "figures" / "progress-training_steps-toy.png").exists()


def test_a_damaged_run_stops_neither_run_nor_figures(command: Command, tmp_path: Path) -> None:
    words: tuple[str, ...] = ("run", "--datasets", "toy", "--methods", "vae,pca", "--steps", "20")
    words += ("--metrics", "mig", "--no-reference", "--out", str(tmp_path), "--track", "10")
    assert command(*words).code == 0
    (vae,) = tmp_path.glob("toy-vae-*")
    for name in ("log.csv", "tracked.csv"):
        (vae / name).write_text("")
    drawn = command("plot", "--out", tmp_path, "--figures", "steps,curves")
    assert drawn.code == 0
    assert drawn.err.count("left out: cannot read") == 2
    (vae / "scores.json").write_text('{"rows": ')
    (pca,) = tmp_path.glob("toy-pca-*")
    (pca / "scores.json").unlink()
    again = command(*words)
    assert again.code == 1
    assert "left out: cannot read" in again.err
    assert Folder(pca).state == "done"
    assert "1 failed" in command("status", "--out", tmp_path).out
