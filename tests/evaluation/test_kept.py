"""`run --keep`: what stays in a run's folder, and what is said of the rest instead of training."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark
from benchmark.cluster.job import Stop, execute_runs
from benchmark.cluster.leases import Leases, Owner
from benchmark.cluster.submission import JobOptions, Submission
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.errors import UserError
from benchmark.evaluation.score import wanted
from methods.base import defaults
from methods.vae import VAE
from results.kept import NotKept
from results.state import Wanted, state_of
from results.store import Codes, Folder
from tests.command import Command

WORDS = ("--methods", "vae", "--datasets", "toy", "--steps", "5", "--no-reference", "--metrics")
SMALL = {"run.json", "log.csv", "scores.json"}
ARRAYS = {"codes.h5", "traversal.h5", "pictures.h5", "information.h5"}


def kept_run(out: Path, keep: str, **options: Any) -> Path:
    options |= {"keep": keep, "reference": False}
    frame = benchmark.run("vae", "toy", "mig", steps=5, out=out, **options)
    return out / str(frame["folder"].iloc[0])


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("keep", "files"),
    [
        ("scores", SMALL),
        ("codes", SMALL | ARRAYS),
        ("weights", SMALL | ARRAYS | {"model.pt"}),
    ],
)
def test_what_stays_is_no_part_of_the_run(tmp_path: Path, keep: str, files: set[str]) -> None:
    """Its key, its scores and its state are the same, and nobody trains it again."""
    folder = kept_run(tmp_path / "runs", keep)
    whole = kept_run(tmp_path / "whole", "weights")
    assert {path.name for path in folder.iterdir()} == files
    assert folder.name == whole.name
    scores = [Folder(path).scores or {} for path in (folder, whole)]
    assert scores[0]["rows"][0]["value"] == scores[1]["rows"][0]["value"]
    before = times(folder)
    assert kept_run(tmp_path / "runs", "weights") == folder
    assert times(folder) == before
    assert state_of(folder, wanted([Score("mig")])).state == "done"


def test_runs_that_were_done_before_are_pruned(command: Command, tmp_path: Path) -> None:
    """Their scores stay as they are; a dry run removes nothing."""
    folder = kept_run(tmp_path, "weights")
    words, before = ("run", *WORDS, "mig", "--out", tmp_path), Folder(folder).scores or {}
    assert command(*words, "--keep", "scores", "--dry-run").code == 0
    assert (folder / "model.pt").exists()
    found = command(*words, "--keep", "codes")
    assert "removed weights of 1 run done before (--keep codes)" in found.err
    assert {path.name for path in folder.iterdir()} == SMALL | ARRAYS
    jobs = command(*words, "--keep", "scores", "--on", "local")
    assert "removed codes, pictures and weights of 1 run done" in jobs.err
    assert {path.name for path in folder.iterdir()} == SMALL
    assert Folder(folder).scores == before | {"kept": "scores"}


def test_another_metric_needs_the_codes(command: Command, tmp_path: Path) -> None:
    """One line names the run, what is gone, and a command, which does make it again."""
    folder = kept_run(tmp_path, "scores")
    before = times(folder)
    refused = [
        command("run", *WORDS, "mig,modularity", "--out", tmp_path),
        command("run", *WORDS, "mig,modularity", "--out", tmp_path, "--on", "local"),
        command("score", folder, "--metrics", "modularity"),
    ]
    assert [one.code for one in refused] == [1, 1, 2]
    for one in refused:
        line = next(text for text in one.err.splitlines() if "--keep scores" in text)
        assert f"{folder.name}: its codes, pictures and weights were not kept" in line
    assert times(folder) == before
    drawn = command("plot", "--out", tmp_path, "--figures", "traversals,samples")
    assert drawn.err.count(f"{folder.name}: its codes, pictures and weights were not kept") == 2
    table = json.loads(command("table", "--out", tmp_path, "--json").out)
    assert [(row["metric"], row["state"]) for row in table] == [("mig", "done")]
    found = re.search("`(rm .*) && python -m benchmark (.*)`", refused[0].err)
    assert found is not None
    assert found[1] == f"rm -r {folder}"
    for path in folder.iterdir():
        path.unlink()
    assert command(*shlex.split(found[2])).code == 0
    assert (folder / "model.pt").exists()


def test_codes_are_scored_again_without_weights(command: Command, tmp_path: Path) -> None:
    folder = kept_run(tmp_path, "codes")
    assert command("run", *WORDS, "mig,modularity", "--out", tmp_path).code == 0
    assert command("score", folder, "--metrics", "betavae").code == 0
    scores = Folder(folder).scores or {}
    assert {row["metric"] for row in scores["rows"]} == {"mig", "modularity", "betavae"}
    assert scores["kept"] == "codes"
    generator = command("run", *WORDS, "mig", "--side", "generator", "--out", tmp_path)
    assert generator.code == 1
    assert f"{folder.name}: its weights were not kept (--keep codes)" in generator.err
    assert not (folder / "model.pt").exists()


def test_more_rows_need_the_weights(command: Command, tmp_path: Path) -> None:
    """Whoever would train for them says so instead."""
    folder = kept_run(tmp_path, "codes")
    found = Folder(folder).read(Codes)
    Folder(folder).write(found._replace(codes=found.codes[:40], rows=np.arange(40), std=None))
    said = command("run", *WORDS, "mig,modularity", "--out", tmp_path).err
    assert f"left out: {folder.name}: its weights were not kept" in said
    assert not (folder / "model.pt").exists()


def test_a_job_says_so_and_leaves_the_run_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run("toy", "vae", 0, 5, defaults(VAE, "toy"))
    folder = run.folder(tmp_path)
    tasks = [[{"name": folder.name, "run": vars(run), "record": run.record("auto")}]]
    for one in (Score("mig"), Score("mig", "generator")):
        options = JobOptions("local", device="cpu")
        rows = Wanted(frozenset(one.signs))
        job = Submission(tmp_path, options, rows, (one,), keep="codes").write()
        job.write_tasks(tasks)
        with Leases(tmp_path).owner(Owner(submission=job.id)) as own:
            own.take([folder.name], {})
            assert execute_runs(job, 0, tasks[0], Stop()) == 0
    assert (folder.state, folder.failure) == ("done", None)
    assert not folder.model().exists()
    assert f"error: {folder.name}: its weights were not kept" in capsys.readouterr().err
    assert Leases(tmp_path).all() == {}


def test_a_notebook_is_told(tmp_path: Path) -> None:
    run = benchmark.load_run(kept_run(tmp_path, "scores"))
    assert run.scores["metric"].tolist() == ["mig"]
    with pytest.raises(NotKept, match="were not kept"):
        run.method()
    with pytest.raises(NotKept, match="were not kept"):
        _ = run.codes
    with pytest.raises(UserError, match="unknown --keep 'all'"):
        kept_run(tmp_path, "all")
