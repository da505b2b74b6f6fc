"""The README's code runs as it stands."""

import re
from pathlib import Path

import pytest
import torch

from benchmark.claims.reproduce import REPRODUCED, markdown, stored
from benchmark.config.grid import QUICK_STEPS, steps
from benchmark.config.study import find
from benchmark.registry import METHODS, UserError
from benchmark.training.batches import Dealer
from benchmark.training.loop import advance
from datasets import Dataset, load
from tests.command import Command

README = (Path(__file__).parents[1] / "README.md").read_text()
(STUDY,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
METHOD, DATA = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_method_is_short_and_trains(toy: Dataset) -> None:
    assert len(METHOD.splitlines()) <= 40
    METHODS.names()
    try:
        exec(compile(METHOD, "README.md", "exec"), {"__name__": "readme"})
        method = METHODS["sparse"].value(toy.spec)
        assert steps("sparse", "toy", "quick", None) == (QUICK_STEPS, "quick")
        assert steps("sparse", "toy", "quick", 7) == (7, "steps")
        with pytest.raises(UserError, match="sparse does not say its paper's steps"):
            steps("sparse", "toy", "paper", None)
    finally:
        METHODS._entries.pop("sparse", None)
    dealer = Dealer(toy, torch.device("cpu"))
    optimisers = method.optimisers()
    torch.manual_seed(0)
    taken = [advance(method, dealer.train(method, i), optimisers, "float32") for i in range(30)]
    assert taken[-1]["loss_adam"] < taken[0]["loss_adam"]
    x = dealer.train(method, 0)
    assert method.decode(method.encode(x)).shape == x.x.shape


def test_the_data_set_is_used_as_shown(dsprites: Dataset) -> None:
    names: dict[str, object] = {}
    exec(compile(DATA, "README.md", "exec"), names)
    assert len(load("dsprites")) == len(dsprites) == 737_280
    assert getattr(names["images"], "shape", None) == (64, 1, 64, 64)
    factors = names["factors"]
    assert [len(set(column)) > 1 for column in factors.T] == [False] * 3 + [True, False]  # type: ignore[attr-defined]


def test_the_study_is_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    study = find(str(tmp_path / "mine.toml"))
    assert len(study.runs()) == 2 * 5 * (3 + 2)
    assert study.slurm == {"account": "lab", "setup": ["module load cuda"]}


def test_the_commands_on_a_cluster_are_taken(command: Command, tmp_path: Path) -> None:
    """As they stand, but for a part of the study, and nothing is submitted."""
    lines = re.findall(r"python -m benchmark (run --study .*?)\s*(?:#.*)?$", README, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        done = command(*line.split(), "--dry-run", "--seeds", "0", "--out", tmp_path / "runs")
        assert done.out.splitlines()[0] == "252 runs: 252 missing", done.err


def test_the_table_of_claims_is_the_stored_one() -> None:
    assert markdown(stored(REPRODUCED)) in README
