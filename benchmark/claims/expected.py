"""What a quantity of a claim should be, and the rules of its verdict: fixed before a study runs.

A verdict is of the values of all seeds, one a seed. NaN stands for a seed whose training diverged,
and never counts in favour of a claim.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from results.statistics import interval

HOLDS, FAILS = "holds", "does not hold"
NOT_TESTED = "not tested at this budget"
"""Of a published value that takes longer to train for than the study trains: neither of the two."""
REPORTED = "reported"
"""Of a value that stands beside others, and of which nothing is claimed."""
LEVEL = 0.95
"""Of the intervals over seeds."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Expected:
    """What a quantity should be: it holds if its mean over the seeds is in a range.

    Attributes:
        published: the value that the source states, or what follows from its claim, as text.
        low, high: the range that counts as reproduced.
        tested: whether the study trains long enough to say so.
        reason: why it does not hold, as an experiment has shown; empty while none has.
    """

    published: str
    low: float = -math.inf
    high: float = math.inf
    tested: bool = True
    reason: str = ""

    def ours(self, values: Sequence[float]) -> float:
        """Return what the table shows of the seeds' values: their mean."""
        return float(np.mean(values))

    def interval(self, values: Sequence[float]) -> Interval | None:
        """Return the interval of `ours` over seeds, by bootstrap; None of too few."""
        return interval(values)

    def verdict(self, values: Sequence[float]) -> str:
        """Return the verdict of the seeds' values."""
        if not self.tested:
            return NOT_TESTED
        return HOLDS if self.low <= self.ours(values) <= self.high else FAILS


class Reached(Expected):
    """A value that a run reaches, where the source does not say how many runs it took.

    It holds if the lower end of Wilson's interval of the share of seeds whose value is from `low`
    to `high` is at least a half: most runs reach it. Otherwise the verdict says how many did.
    """

    def reached(self, values: Sequence[float]) -> int:
        """Return how many seeds reach it."""
        return sum(self.low <= value <= self.high for value in values)

    def ours(self, values: Sequence[float]) -> float:
        """Return the share of seeds that reach it."""
        return self.reached(values) / len(values)

    def interval(self, values: Sequence[float]) -> Interval | None:
        """Return Wilson's interval of that share.

        References:
            Wilson, Probable inference, the law of succession, and statistical inference, 1927,
            https://doi.org/10.1080/01621459.1927.10502953
        """
        from scipy.stats import binomtest

        test = binomtest(self.reached(values), len(values))
        found = test.proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)

    def verdict(self, values: Sequence[float]) -> str:
        """Return that it holds, or how many seeds reach it."""
        if not self.tested:
            return NOT_TESTED
        found = self.interval(values)
        if found is not None and found[0] >= 0.5:
            return HOLDS
        return f"reached by {self.reached(values)} of {len(values)}"


@dataclass(frozen=True)
class Reported(Expected):
    """A value that stands beside others: a statistic of the seeds' values, their mean if not said.

    Attributes:
        statistic: of the values.
    """

    statistic: Callable[[Sequence[float]], float] | None = None

    def ours(self, values: Sequence[float]) -> float:
        """Return the statistic of the seeds' values."""
        return float((self.statistic or np.mean)(values))

    def interval(self, values: Sequence[float]) -> Interval | None:
        """Return the interval of a mean, none of another statistic."""
        return interval(values) if self.statistic is None else None

    def verdict(self, values: Sequence[float]) -> str:
        """Return that it has none."""
        return REPORTED


def stands(verdict: str) -> bool:
    """Return whether a verdict says nothing against the claim."""
    return verdict in (HOLDS, NOT_TESTED, REPORTED)
