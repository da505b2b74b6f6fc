"""`run --dry-run`: what runs take on disk, as finished ones do, or as it is computed."""

from pathlib import Path

import pytest

import benchmark
from benchmark import comparison, disk
from benchmark.config.plan import Plan
from benchmark.config.score import Scoring
from tests.command import Command

WORDS = ("--methods", "vae,gan", "--datasets", "toy", "--steps", "5", "--no-reference")


def sizes(metrics: str, side: str = "encoder", rows: str = "all") -> disk.Size:
    """Return what a run of the generator on dSprites is estimated to take."""
    study = Plan("gan", seeds="0", steps=300_000, reference=False).parse()
    planned = comparison.plan(study, Scoring(metrics, side, rows=rows), "cpu")
    found = disk.estimated(planned.runs[0], planned.scores)
    assert found is not None
    return found


def test_an_estimate_is_of_rows_codes_and_metrics() -> None:
    """Each metric that stores more is counted; weights are 4 bytes a parameter."""
    mig = sizes("mig")
    assert mig.scores < mig.codes < mig.weights
    assert mig.scores == pytest.approx(0.308e6, rel=0.01)  # a log of 6,000 lines
    table = sizes("mig", rows="50000")
    assert (mig.codes - table.codes) % (737_280 - 50_000) == pytest.approx(0, abs=1)
    assert sizes("mig,fid").codes - mig.codes == pytest.approx(0.8 * 10_000 * 2_048 * 4)
    assert sizes("mig", "both").codes > mig.codes
    assert mig.weights - mig.codes == table.weights - table.codes


def test_finished_runs_are_measured(command: Command, tmp_path: Path) -> None:
    """Those of the same scores, with all files; of other kinds there is an estimate."""
    benchmark.run("vae", "toy", "mig", steps=5, reference=False, out=tmp_path)
    (folder,) = tmp_path.glob("toy-vae-*")
    whole = sum(path.stat().st_size for path in folder.iterdir())
    weights = (folder / "model.pt").stat().st_size
    words = ("run", *WORDS, "--metrics", "mig", "--out", tmp_path, "--dry-run")
    found = command(*words)
    assert found.code == 0, found.err
    cells = {line.split()[1]: line.split() for line in found.out.splitlines() if "toy" in line[:5]}
    assert cells["vae"][2] == "1"
    shown = [float(cell) for cell in cells["vae"][3:6]]
    expected = [(whole - size) / 1e6 for size in (0, weights)]
    assert shown[2:0:-1] == pytest.approx(expected, abs=0.006)
    assert "of finished runs" in " ".join(cells["vae"])
    assert "estimated" in cells["gan"]
    assert "disk for all 2 runs: about" in found.out


@pytest.mark.slow
def test_a_large_study_is_estimated(command: Command, tmp_path: Path) -> None:
    words = ("run", "--study", "locatello2019", "--dry-run", "--out", tmp_path / "none")
    found = command(*words)
    assert found.code == 0, found.err
    assert "disk for all 12,600 runs: about" in found.out
    assert all(f"GB with --keep {keep}" in found.out for keep in ("scores", "codes", "weights"))
