"""Studies that nobody trained: run folders as a study leaves them, to measure what reads them.

`python -m tests.synthetic 12600` makes as many in a temporary folder, and says how long it takes to
collect them for the first time and again, to make their table and all their figures, and how much
memory that took.
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

from results import frame_cache
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


def measured(*words: str) -> str:
    """Say how long a process of its own took for `words`, and the most memory of any so far."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return f"{seconds:.1f} s, {worked:.1f} s of a core, {after.ru_maxrss / 2**20:.2f} GB"


def measure(out: Path) -> None:
    """Measure each in a process of its own, which counts the imports, too."""
    (out / frame_cache.NAME).unlink(missing_ok=True)
    collect = f"import pathlib, results.frame as rows; rows.tidy(pathlib.Path({str(out)!r}))"
    print("only imported:", measured("-c", "import results.frame"))
    print("collected for the first time:", measured("-c", collect))
    print("collected again:", measured("-c", collect))
    print("table:", measured("-m", "benchmark", "table", "--out", str(out)))
    print("all figures:", measured("-m", "benchmark", "plot", "--out", str(out)))


def main() -> None:
    """Make a study, of as many runs as are asked for, and measure."""
    with tempfile.TemporaryDirectory() as temporary:
        study(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 12_600)
        measure(Path(temporary))


if __name__ == "__main__":
    main()
