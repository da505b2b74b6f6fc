"""A file of one run is damaged: every command calls it failed, and goes on with the others."""

import json
from pathlib import Path

import pytest

from results.store import Folder
from tests.command import Command

WORDS = ("run", "--methods", "pca,truth", "--datasets", "toy", "--no-reference", "--metrics")


@pytest.fixture
def out(command: Command, tmp_path: Path) -> Path:
    """A folder of two finished runs."""
    assert command(*WORDS, "mig", "--out", tmp_path).code == 0
    return tmp_path


def truncated(out: Path, name: str) -> Path:
    """Cut a file of PCA's run in half."""
    (path,) = out.glob(f"toy-pca-*/{name}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def all_call_it_failed(command: Command, out: Path, path: Path) -> None:
    status = json.loads(command("status", "--out", out, "--json").out)["counts"]
    assert (status["done"], status["failed"]) == (1, 1)
    dry = command(*WORDS, "mig", "--out", out, "--dry-run").out
    assert dry.startswith("2 runs: 1 done, 1 failed\n")
    table = command("table", "--out", out, COLUMNS="400").out
    assert "truth (ceiling)" in table
    assert f"failed: cannot read {path}: " in table


@pytest.mark.parametrize("name", ["run.json", "scores.json"])
def test_a_record(command: Command, out: Path, name: str) -> None:
    """Also where the other record is whole."""
    path = truncated(out, name)
    all_call_it_failed(command, out, path)
    score = ("score", *sorted(out.glob("toy-*")), "--metrics", "mig")
    for words in ((*WORDS, "mig", "--out", out), score):
        found = command(*words)
        assert found.code == 1
        assert "truth" in found.out
        (line,) = (line for line in found.err.splitlines() if str(path) in line)
        assert line.startswith(f"left out: cannot read {path}: ")


def test_codes(command: Command, out: Path) -> None:
    """They are read when the run is scored again; the old scores come back when asked for alone."""
    path = truncated(out, "codes.h5")
    score = command("score", *sorted(out.glob("toy-*")), "--metrics", "mig,modularity")
    assert (score.code, score.err.count(f"left out: cannot read {path}: ")) == (1, 1)
    found = command(*WORDS, "mig,modularity", "--out", out)
    assert found.code == 1
    (line,) = (line for line in found.err.splitlines() if str(path) in line)
    assert line.endswith("remove its folder, and the same command makes the run again")
    truth = json.loads(command("table", "--out", out, "--methods", "truth", "--json").out)
    assert {row["metric"] for row in truth} == {"mig", "modularity"}
    all_call_it_failed(command, out, path)
    assert "--retry runs it again" in command(*WORDS, "mig", "--out", out).err
    assert command(*WORDS, "mig", "--out", out, "--retry").code == 0
    assert Folder(path.parent).state == "done"
