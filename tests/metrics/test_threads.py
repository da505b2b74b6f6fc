"""Every metric in processes with one thread and with two: the same codes, the same score."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.registry import METRICS
from metrics.base import score
from tests.tables import Array, grid, rng

ROOT = Path(__file__).resolve().parents[2]
FEW: dict[str, dict[str, Any]] = {
    "betavae": {"train": 1000, "evaluation": 500, "pairs": 8},
    "dci": {"train": 60, "test": 200, "workers": 1},
    "dci_fast": {"train": 1000, "boosted": 100, "workers": 1},
    "downstream": {"sizes": (10, 40), "workers": 1},
    "factorvae": {"train": 1000, "evaluation": 500, "batch": 8},
    "infomec": {"samples": 500},
    "kid": {"subsets": 5},
    "mig_chen": {"samples": 100, "workers": 1},
    "sap": {"train": 2000, "test": 1000},
    "explicitness": {"train": 2000, "test": 1000},
}


def sheet() -> dict[str, Array]:
    """A table with enough columns for a product of matrices to be shared among threads."""
    factors = np.tile(grid(2, 4, 5), (50, 1))
    n = len(factors)
    codes = (factors @ rng().standard_normal((3, 40)) + rng(1).standard_normal((n, 40)))[:, :24]
    seen = rng(2).standard_normal((400, 300)) @ rng(3).standard_normal((300, 300))
    return {
        "codes": codes.astype("float32"),
        "factors": factors,
        "c1": factors[:, 0],
        "label": factors[:, 0],
        "held_out": rng(4).random(n) < 0.5,
        "std": 0.1 + rng(5).random(codes.shape).astype("float32"),
        "squared_errors": rng(6).random(n),
        "factors_real": grid(2, 4, 5),
        "features_real": seen.astype("float32"),
        "features_generated": (seen[::-1] + 1).astype("float32"),
    }


def scores() -> dict[str, str]:
    """Return every metric's values, to the last bit."""
    found: dict[str, str] = {}
    for name in METRICS.names():
        entry = METRICS[name]
        few = replace(entry, value=partial(entry.value, **FEW.get(name, {})))
        if name == "downstream":
            few = replace(few, facts=entry.facts | {"parts": ("10", "40", "efficiency")})
        values = score(few, sheet(), rng())
        found |= {row: float(value).hex() for row, value in values.items()}
    return found


@pytest.mark.slow
def test_threads_change_no_score() -> None:
    code = "import json; from tests.metrics.test_threads import scores; print(json.dumps(scores()))"
    found = []
    for threads in "12":
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        variables = os.environ | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert len(found[0]) >= len(METRICS.names())
