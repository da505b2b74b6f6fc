"""The fixed table of rows that the quick budget scores, and the memory that encoding takes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.config.run import Run
from benchmark.config.score import Score, Scoring
from benchmark.registry import METRICS, UserError
from benchmark.runner import Context, execute
from datasets import Dataset
from datasets.base import TABLE_ROWS
from metrics.base import score
from results.store import Codes, Folder
from tests.command import ROOT, Command
from tests.tables import Array, grid, rng

ENCODES = """
import numpy as np, torch
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.evaluation.encode import encode
from benchmark.registry import METHODS
from datasets.base import Spec, Table

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

hardware.prepare()
torch.set_num_threads(1)
rows, spec = np.arange(16_000), Spec("many", (1, 64, 64), 2, ("a",), (2,))
packed = np.random.default_rng(0).integers(0, 256, (len(rows), spec.size), np.uint8)
batches = Batches(Table(spec, packed, rows[:, None] % 2, rows, rows), torch.device("cpu"))
method = METHODS["pca"].value(spec)
encode(method, batches, rows[:2000])
before = resident()
encode(method, batches, rows)
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident bytes are read from /proc")
def test_memory_does_not_grow_with_the_number_of_batches() -> None:
    """70 batches of 3.7 MB of images each: ten of them at most may stay."""
    words = [sys.executable, "-c", ENCODES]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 37e6


def test_the_table_is_the_same_for_all_and_drawn_once(dsprites: Dataset) -> None:
    rows = dsprites.table_rows(TABLE_ROWS)
    assert len(np.unique(rows)) == len(rows) == TABLE_ROWS
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, dsprites.table_rows(TABLE_ROWS))
    assert np.array_equal(dsprites.table_rows(None), np.arange(len(dsprites)))
    counts = [np.bincount(column) for column in dsprites.factors(rows).T]
    assert all(count.min() > 0.85 * count.mean() for count in counts)


def test_the_size_of_the_table_is_part_of_a_score() -> None:
    asked = Scoring("mig,reconstruction", "both", "x").scores(quick=True)
    assert asked == [
        Score("mig", "encoder", ("x",), TABLE_ROWS),
        Score("reconstruction"),
        Score("mig", "generator", ("x",)),
        Score("reconstruction", "generator"),
    ]
    assert asked[0].protocol == "disentanglement_lib-1/rows=50000, factors x"

    def rows(given: str | None, quick: bool) -> int | None:
        return Scoring("mig", rows=given).scores(quick)[0].rows

    assert rows(None, quick=True) == rows("50000", quick=False) == TABLE_ROWS
    assert rows(None, quick=False) is rows("all", quick=True) is None
    with pytest.raises(UserError, match="--rows '500'"):
        rows("500", quick=True)


FEW: dict[str, dict[str, Any]] = {
    "dci_fast": {"train": 400, "test": 400},
    "dci": {"train": 200, "test": 400},
    "explicitness": {"train": 400, "test": 400},
    "downstream": {"sizes": (10, 400), "test": 400},
    "betavae": {"train": 300, "evaluation": 300},
    "factorvae": {"train": 300, "evaluation": 300},
    "sap": {"train": 400, "test": 400},
}


@pytest.mark.parametrize("name", FEW)
def test_what_is_fitted_on_some_rows_is_scored_on_others(name: str) -> None:
    """Rows that are not held out have codes that tell the factors; those that are have noise."""
    factors = grid(4, 4, 4)
    held_out = rng(0).random(len(factors)) < 0.5
    codes = np.where(held_out[:, None], rng(1).standard_normal(factors.shape), 3.0 * factors)

    def informed(held_out: Array | None) -> float:
        found = METRICS[name].value(codes, factors, rng(), **FEW[name], held_out=held_out)
        parts = found if isinstance(found, dict) else {"": found}
        return float(next(parts[key] for key in ("informativeness", "400", "") if key in parts))

    assert informed(held_out) < informed(None) - 0.02


def test_a_sample_of_a_data_set_is_scored_so() -> None:
    factors, held_out = grid(4, 4, 4), np.arange(64) % 2 == 0
    table = {"codes": factors.astype(np.float32), "factors": factors, "held_out": held_out}
    found = score(METRICS["sap"], table, rng(), disjoint=True)["sap"]
    assert found == METRICS["sap"].value(table["codes"], factors, rng(), held_out=held_out)


def go(run: Run, toy: Dataset, out: Path, *scores: Score) -> Folder:
    return execute(run, toy, scores, Context(out, torch.device("cpu")))


@pytest.mark.parametrize("method", ["vae", "gan", "random", "pixels"])
def test_more_rows_are_encoded_without_training(toy: Dataset, tmp_path: Path, method: str) -> None:
    run = Run("toy", method, 0, 3 if method in ("vae", "gan") else 0)
    folder = go(run, toy, tmp_path, Score("mig", rows=40))
    assert np.array_equal(folder.read(Codes).rows, toy.table_rows(40))
    trained = folder.model().stat().st_mtime_ns
    (row,) = (folder.scores or {})["rows"]
    assert (row["images"], row["protocol"]) == (40, "disentanglement_lib-1/rows=40")
    whole = go(run, toy, tmp_path, Score("mig"))
    assert len(whole.read(Codes).rows) == len(toy)
    assert whole.model().stat().st_mtime_ns == trained
    assert [row["images"] for row in (whole.scores or {})["rows"]] == [96]
    (row,) = (go(run, toy, tmp_path, Score("mig", rows=40)).scores or {})["rows"]
    assert (row["images"], row["protocol"]) == (40, "disentanglement_lib-1/rows=40")


def test_a_quick_run_scores_the_table_and_says_so(command: Command, tmp_path: Path) -> None:
    words = ("run", "--methods", "pca", "--datasets", "toy", "--no-reference", "--out", tmp_path)
    for more, ending in (((), "/rows=50000"), (("--rows", "all"), ""), (("--budget", "paper"), "")):
        done = command(*words, "--metrics", "mig,sap", "--json", *more)
        assert done.code == 0, done.err
        assert {row["metric"]: row["protocol"] for row in json.loads(done.out)} == {
            "mig": f"disentanglement_lib-1{ending}",
            "sap": f"disentanglement_lib-3{ending}",
        }
