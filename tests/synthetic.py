"""Studies that nobody trained: run folders as a study leaves them, to measure what reads them.

`python -m tests.synthetic 12600` makes as many in a temporary folder, and says how long it takes to
collect them for the first time and again, to make their table, and how much memory that took.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from results.store import place

DATASETS = (
    *("dsprites", "color_dsprites", "noisy_dsprites", "scream_dsprites"),
    *("smallnorb", "cars3d", "shapes3d"),
)
SWEEPS: dict[str, tuple[str, tuple[float, ...]]] = {
    "betavae": ("beta", (1, 2, 4, 6, 8, 16)),
    "annealedvae": ("capacity", (5, 10, 25, 50, 75, 100)),
    "factorvae": ("gamma", (10, 20, 30, 40, 50, 100)),
    "dipvae_i": ("lambda_od", (1, 2, 5, 10, 20, 50)),
    "dipvae_ii": ("lambda_od", (1, 2, 5, 10, 20, 50)),
    "betatcvae": ("beta", (1, 2, 4, 6, 8, 10)),
}
SEEDS = 50
METRICS = ("betavae", "factorvae", "mig", "dci_disentanglement", "modularity", "sap")
IMAGES = 10_000


def study(out: Path, runs: int) -> None:
    """Make the first `runs` of the 12,600 runs of Locatello et al. (2019), all done."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for dataset, method, place_, seed in islice(_asked(), runs):
        name, values = SWEEPS[method]
        _run(out, dataset, method, {name: values[place_]}, seed, _scores(method, place_, rng))


def _asked() -> Iterator[tuple[str, str, int, int]]:
    yield from product(DATASETS, SWEEPS, range(6), range(SEEDS))


def _scores(method: str, place_: int, rng: np.random.Generator) -> list[float]:
    """Return a score per metric: the method, its hyper-parameter and the seed all matter."""
    level = 0.25 + 0.05 * list(SWEEPS).index(method) + 0.03 * place_
    draws = level + np.linspace(0, 0.2, len(METRICS)) + rng.normal(0, 0.06, len(METRICS))
    return [float(score) for score in np.clip(draws, 0, 1)]


def _run(
    out: Path, dataset: str, method: str, settings: dict[str, Any], seed: int, scores: list[float]
) -> None:
    asked = {"dataset": dataset, "method": method, "seed": seed, "steps": 300_000}
    asked |= {"settings": settings, "budget": "paper", "precision": "float32"}
    key = f"{zlib.crc32(json.dumps(asked).encode()):010x}"
    record = {"run": asked, "key": key, "sees": "images", "representation": "encoder"}
    record |= {"versions": {"python": "3.11.7", "torch": "2.15.0"}, "machine": {}, "started": ""}
    how = {"reason": None, "protocol": "disentanglement_lib-1", "seconds": 1.0, "images": IMAGES}
    rows = [
        {"metric": metric, "value": score, **how}
        for metric, score in zip(METRICS, scores, strict=True)
    ]
    train = {"seconds": 3600.0, "steps_per_second": 83.3, "loss_elbo": 60.0 + seed, "kl": 12.5}
    folder = place(out, dataset, method, seed, key).path
    folder.mkdir()
    # Not through `Folder`: to wait for the disk 25,200 times is no part of what is measured.
    (folder / "run.json").write_text(json.dumps(record, indent=1))
    (folder / "scores.json").write_text(json.dumps({"rows": rows, "train": train}, indent=1))


def measured(out: Path, *words: str) -> tuple[float, float]:
    """Return the seconds that a process of its own took for `words`, and its peak in GB."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main() -> None:
    """Measure each in a process of its own, which counts the imports, too."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 12_600
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "runs"
        study(out, runs)
        collect = f"import pathlib, results.table as t; t.tidy(pathlib.Path({str(out)!r}))"
        table = ("-m", "benchmark", "table", "--out", str(out))
        for what, words in {
            "collected for the first time": ("-c", collect),
            "collected again": ("-c", collect),
            "table": table,
        }.items():
            seconds, memory = measured(out, *words)
            print(f"{runs:,} runs, {what}: {seconds:.1f} s, at most {memory:.2f} GB so far")


if __name__ == "__main__":
    main()
