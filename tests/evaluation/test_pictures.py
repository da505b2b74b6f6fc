"""What a run keeps for figures, of its codes."""

import numpy as np
import pytest

from benchmark.evaluation.pictures import information
from datasets import Dataset
from results.store import Codes


def stored(toy: Dataset, kind: str) -> Codes:
    rows = np.arange(len(toy))
    shape = np.array([2, 0, 1])[toy.factors(rows)[:, 0]]
    codes = np.column_stack([np.zeros(len(rows)), shape]).astype(np.float32)
    return Codes(codes, rows, ["z1", "c1"], ["normal", kind])


def test_categories_are_counted_by_the_label(toy: Dataset) -> None:
    found = information(stored(toy, "categorical"), toy).confusion
    assert found is not None
    assert found.tolist() == [[0, 32, 0], [0, 0, 32], [32, 0, 0]]


@pytest.mark.parametrize("kind", ["normal", "ordinal"])
def test_other_codes_are_not(toy: Dataset, kind: str) -> None:
    assert information(stored(toy, kind), toy).confusion is None
