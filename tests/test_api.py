"""The Python API: its examples, and what it refuses."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import benchmark
from benchmark import api
from benchmark.errors import UserError
from datasets import Dataset

ROOT = Path(__file__).resolve().parents[1]


def test_the_examples_of_its_docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(api)
    assert (found.failed, found.attempted > 10) == (0, True)


def test_it_is_imported_when_it_is_used() -> None:
    code = "import sys, benchmark; print('pandas' in sys.modules); benchmark.table"
    code += "; print('pandas' in sys.modules, 'torch' in sys.modules)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
    with pytest.raises(AttributeError, match="'benchmark' has no attribute 'rum'"):
        _ = benchmark.rum
    assert {"run", "table", "load_run", "score"} <= {*dir(benchmark)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stepps": 3}, "unknown option 'stepps'; did you mean 'steps'"),
        ({"steps": 0}, "--steps 0 is not a whole number of at least 1"),
        ({"seeds": [-1]}, "--seeds -1: a seed is at least 0"),
        ({"settings": {"vae": {"bta": 1}}}, "unknown hyper-parameter of vae 'bta'"),
        ({"study": "infogan2016", "budget": "paper"}, "--budget: the study infogan2016 says that"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
    ids=str,
)
def test_what_cannot_be_run(options: dict[str, object], expected: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=expected):
        benchmark.run("vae", "toy", out=tmp_path, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_generator_is_read_by_its_posthoc_encoder(toy: Dataset, tmp_path: Path) -> None:
    frame = benchmark.run("infogan", "toy", "mig", steps=2, reference=False, out=tmp_path)
    run = benchmark.load_run(tmp_path / frame["folder"][0])
    trained = run.method()
    codes = trained.encode(toy.images(np.arange(4)))
    np.testing.assert_allclose(codes, run.codes.codes[:4], atol=0.05)
    assert trained.decode(codes).shape == (4, *toy.shape)


def test_codes_and_factors_must_fit(toy: Dataset) -> None:
    with pytest.raises(UserError, match="codes has 3 lines and toy 96 images"):
        benchmark.score(np.ones((3, 2)), dataset="toy", metrics="mig")
    with pytest.raises(UserError, match="codes: codes are a table"):
        benchmark.score(np.ones(3), dataset="toy", metrics="mig")
    with pytest.raises(UserError, match="unknown array 'idx'"):
        benchmark.score(np.ones((3, 2)), dataset="toy", metrics="mig", idx=np.arange(3))
    found = benchmark.score(toy.factors(np.arange(96)), dataset="toy", metrics=["mig", "fid"])
    assert found["value"].round(1).tolist()[0] == 1
    assert found["reason"][1].startswith("needs")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a finished run"):
        benchmark.load_run(tmp_path)
