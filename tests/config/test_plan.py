"""Which runs a command line asks for."""

from typing import get_args

import numpy as np
import pytest

from benchmark.config.applicable import check_fits, misfit
from benchmark.config.grid import Grid
from benchmark.config.plan import select
from benchmark.registry import METHODS, UserError
from datasets import Spec, Table
from datasets.toy import toy
from methods.base import Sees


def test_what_a_method_sees_is_a_filter() -> None:
    every = METHODS.names()
    parts = {kind: select(every, kind) for kind in get_args(Sees)}
    assert sorted(name for part in parts.values() for name in part) == every
    assert {"vae", "gan", "infogan"} <= set(parts["images"])
    assert parts["one-factor"] == ["dcign"]
    assert select(every, "label,one-factor") == ["cgan", "dcign", "vib"]
    assert select(["vae", "dcign"]) == ["vae", "dcign"]


@pytest.mark.parametrize("method", ["vib", "dcign", "adavae", "pix2pix"])
def test_a_method_that_cannot_take_the_data_set_says_so(method: str) -> None:
    dataset = toy()
    (run,) = Grid([method], ["toy"]).runs()
    check_fits([run], dataset)
    dataset.spec = Spec("bare", (1, 16, 16), 2, (), ())
    with pytest.raises(UserError, match=f"{method} needs .*, and bare has none; --sees images"):
        check_fits([run], dataset)


@pytest.mark.parametrize("method", ["adavae", "pix2pix"])
def test_pairs_share_a_factor(method: str) -> None:
    """Of a set with a label alone any two images would be a pair."""
    one, two = (
        Spec("s", (1, 8, 8), 256, names, (3,) * len(names)) for names in (("a",), ("a", "b"))
    )
    assert misfit(method, one) == "needs pairs of images that share a factor"
    assert misfit(method, two) is None


@pytest.mark.parametrize("method", ["dcign", "adavae"])
def test_a_data_set_without_such_batches_is_refused(method: str) -> None:
    """Of these four images no two differ in one factor alone."""
    spec = Spec("twins", (1, 16, 16), 2, ("a", "b"), (4, 4))
    table = np.arange(4)[:, None].repeat(2, 1)
    rows = np.arange(4)
    dataset = Table(spec, np.zeros((4, 32), np.uint8), table, rows, rows)
    (run,) = Grid([method], ["twins"]).runs()
    with pytest.raises(UserError, match=f"{method} cannot take twins: no two images"):
        check_fits([run], dataset)
