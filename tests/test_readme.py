"""The README's code runs as it stands."""

import re
from pathlib import Path

import pytest
import torch

from benchmark import plan
from benchmark.deal import Dealer
from benchmark.registry import METHODS, UserError
from benchmark.reproduce import REPRODUCED, markdown, stored
from benchmark.train import advance
from datasets import Dataset, load

README = (Path(__file__).parents[1] / "README.md").read_text()
METHOD, DATA = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_method_is_short_and_trains(toy: Dataset) -> None:
    assert len(METHOD.splitlines()) <= 40
    METHODS.names()
    try:
        exec(compile(METHOD, "README.md", "exec"), {"__name__": "readme"})
        method = METHODS["sparse"].value(toy.spec)
        assert plan.steps("sparse", "toy", "quick", None) == (plan.QUICK_STEPS, "quick")
        assert plan.steps("sparse", "toy", "quick", 7) == (7, "steps")
        with pytest.raises(UserError, match="sparse does not say its paper's steps"):
            plan.steps("sparse", "toy", "paper", None)
    finally:
        METHODS._entries.pop("sparse", None)
    dealer = Dealer(toy, torch.device("cpu"))
    optimisers = method.optimisers()
    torch.manual_seed(0)
    steps = [advance(method, dealer.train(method, i), optimisers, "float32") for i in range(30)]
    assert steps[-1]["loss_adam"] < steps[0]["loss_adam"]
    x = dealer.train(method, 0)
    assert method.decode(method.encode(x)).shape == x.x.shape


def test_the_data_set_is_used_as_shown(dsprites: Dataset) -> None:
    names: dict[str, object] = {}
    exec(compile(DATA, "README.md", "exec"), names)
    assert len(load("dsprites")) == len(dsprites) == 737_280
    assert getattr(names["images"], "shape", None) == (64, 1, 64, 64)
    factors = names["factors"]
    assert [len(set(column)) > 1 for column in factors.T] == [False] * 3 + [True, False]  # type: ignore[attr-defined]


def test_the_table_of_claims_is_the_stored_one() -> None:
    assert markdown(stored(REPRODUCED)) in README
