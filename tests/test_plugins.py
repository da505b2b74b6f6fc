"""A package of somebody else, really installed, brings a method, a metric and a data set."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = os.environ.get("UV") or shutil.which("uv")

METHOD = '''
"""The mean grey of each quarter of the image."""
import torch
from torch import Tensor
from benchmark.registry import METHODS
from datasets.base import Spec
from methods.base import Batch, Method, normal_codes


@METHODS.register("quarters", source="https://example.org/quarters", version=1)
class Quarters(Method):
    """The mean grey of each quarter of the image, times a factor."""

    def __init__(self, spec: Spec, *, times: float = 1.0) -> None:
        super().__init__()
        self.codes, self.times = normal_codes(4), times

    def encode(self, batch: Batch) -> Tensor:
        return self.times * torch.nn.functional.adaptive_avg_pool2d(batch.x, 2).mean(1).flatten(1)
'''
METRIC = '''
import numpy as np
from benchmark.registry import METRICS


@METRICS.register(
    "spread", source="https://example.org/spread", range=(0.0, float("inf")),
    higher_is_better=True, protocol="spread-1", factors=0,
)
def spread(codes: np.ndarray) -> float:
    """Return the mean standard deviation of the codes."""
    return float(codes.std(0).mean())
'''
DATA = '''
from pathlib import Path
import numpy as np
from benchmark.registry import DATASETS
from datasets.base import Grid, Spec


@DATASETS.register("steps", source="https://example.org/steps", images=32, licence="MIT")
def steps(folder: Path | None = None) -> Grid:
    """Return 32 images whose rows are lit one after another."""
    spec = Spec("steps", (1, 32, 32), 2, ("height",), (32,), grid=True)
    lit = np.tril(np.ones((32, 32), np.uint8))[:, :, None].repeat(32, 2)
    return Grid(spec, np.packbits(lit.reshape(32, -1), axis=1))
'''
ENTRIES = """[benchmark.methods]
quarters = theirs.method
[benchmark.metrics]
spread = theirs.metric
[benchmark.datasets]
steps = theirs.data
"""


def wheel(folder: Path) -> Path:
    """Write the package as a wheel."""
    path, info = folder / "theirs-1.0-py3-none-any.whl", "theirs-1.0.dist-info"
    parts = {
        "theirs/__init__.py": "",
        "theirs/method.py": METHOD,
        "theirs/metric.py": METRIC,
        "theirs/data.py": DATA,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRIES,
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in parts))
    return path


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with the package and everything that this one has."""
    if UV is None:
        pytest.skip("needs uv to make an environment")
    folder = tmp_path_factory.mktemp("theirs")
    there = str(folder / "env" / "bin" / "python")
    quiet = {"check": True, "capture_output": True}
    subprocess.run([UV, "venv", "--python", sys.executable, folder / "env"], **quiet)  # type: ignore[call-overload]
    install = [UV, "pip", "install", "--offline", "--no-deps", "--python", there]
    subprocess.run([*install, wheel(folder)], **quiet)  # type: ignore[call-overload]
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return there


def benchmark(python: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "benchmark", *map(str, words)]
    plain = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=plain)


def test_they_are_listed(python: str) -> None:
    found = benchmark(python, "list")
    assert found.returncode == 0, found.stderr
    for name in ("quarters", "spread", "steps"):
        assert f"https://example.org/{name}" in found.stdout


@pytest.mark.slow
def test_they_run_with_ours(python: str, tmp_path: Path) -> None:
    words = ("--methods", "quarters,pca", "--datasets", "steps,toy", "--metrics", "spread,mig")
    given = ("--set", "quarters.times=1,2", "--no-reference", "--out", tmp_path, "--json")
    found = benchmark(python, "run", *words, *given)
    assert found.returncode == 0, found.stderr
    rows = [row for row in json.loads(found.stdout) if row["metric"] == "spread"]
    assert {(row["dataset"], row["method"]) for row in rows} == {
        (dataset, method) for dataset in ("steps", "toy") for method in ("quarters", "pca")
    }
    one, two = (
        row["value"] for row in rows if (row["dataset"], row["method"]) == ("steps", "quarters")
    )
    assert two == pytest.approx(2 * one)


def test_without_the_package_they_are_unknown() -> None:
    found = benchmark(sys.executable, "run", "--methods", "quarters")
    assert found.returncode == 2
    assert "unknown method 'quarters'" in found.stderr
