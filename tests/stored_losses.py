"""The losses of each method's first two steps, as stored: `python -m tests.stored_losses`.

A method whose losses are no longer the stored ones trains otherwise than the runs that are there:
its registered version is to be raised, and the losses stored anew.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark.registry import METHODS
from benchmark.training.loop import advance
from datasets.toy import SPEC as TOY
from results.files import write_json
from tests.methods.test_method_contract import SOON, TRAINED, batch_of, built

STORED = Path(__file__).with_name("stored_losses.json")


def losses(name: str) -> dict[str, Any]:
    """Return {"version", "losses": of two steps, by optimiser} of a method on noise."""
    method = built(name, **SOON.get(name, {})).train()
    batch, optimisers = batch_of(TOY, method.sees), method.optimisers()
    torch.manual_seed(1)
    batches = [replace(batch, phase=method.phase(step)) for step in range(2)]
    steps = [advance(method, batch, optimisers, "float32") for batch in batches]
    found = [{k: float(v) for k, v in step.items() if k.startswith("loss_")} for step in steps]
    return {"version": METHODS[name].facts["version"], "losses": found}


def stored() -> dict[str, Any]:
    """Return what is stored, by method."""
    found: dict[str, Any] = json.loads(STORED.read_text())
    return found


if __name__ == "__main__":
    write_json(STORED, {name: losses(name) for name in TRAINED})
