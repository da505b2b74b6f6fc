"""A method that trains otherwise than before has another version."""

import pytest

from tests.methods.test_method_contract import TRAINED
from tests.stored_losses import losses, stored


@pytest.mark.parametrize("name", TRAINED)
def test_other_losses_need_another_version(name: str) -> None:
    found, before = losses(name), stored().get(name)
    remedy = f"raise the version of {name} where it is registered, and store its losses anew"
    assert before is not None, "python -m tests.stored_losses stores it"
    for step, known in zip(found["losses"], before["losses"], strict=True):
        assert step == pytest.approx(known, rel=2e-5, abs=1e-6), remedy
    assert found["version"] == before["version"], "python -m tests.stored_losses stores it"
