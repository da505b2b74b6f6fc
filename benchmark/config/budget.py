"""Budgets: how many steps a method is trained, the quick one or its paper's."""

from benchmark.errors import UserError
from benchmark.registry import METHODS
from methods.base import Method

BUDGETS = ("quick", "paper")
QUICK_STEPS = 1_000


def steps(method: str, dataset: str, budget: str, given: int | None) -> tuple[int, str]:
    """Return the training steps of a run and the name of the budget; 0 for what has none.

    Raises:
        UserError: the budget is the paper's, and the method does not say what that is.
    """
    cls: type[Method] = METHODS[method].value
    if not cls.trains():
        return 0, "none"
    if given is not None:
        return given, "steps"
    if budget == "quick":
        return QUICK_STEPS, budget
    published = cls.paper_steps.get(dataset, cls.paper_steps.get(""))
    if published is None:
        raise UserError(f"{method} does not say its paper's steps (paper_steps); give --steps")
    return published, budget
