"""Measurements of this project's own speed, each beside the bar that it must reach."""

import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich import box
from rich.table import Table

from results.terminal import console

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """One line.

    Attributes:
        what: that was measured.
        value, unit: what came out.
        bar: what it should be.
        holds: whether it is.
    """

    what: str
    value: float
    unit: str
    bar: str = ""
    holds: bool = True


def report(measurements: Iterable[Measurement]) -> None:
    """Print the table of measurements; exit code 1 if one of them misses its bar."""
    found = list(measurements)
    console().print(table(found))
    sys.exit(not all(one.holds for one in found))


def table(found: Sequence[Measurement]) -> Table:
    """Return the table of measurements."""
    lines = Table("measured", "value", "bar", "", box=box.SIMPLE)
    for one in found:
        verdict = "" if not one.bar else "holds" if one.holds else "does not hold"
        digits = ",.0f" if abs(one.value) >= 100 else ".2g"
        lines.add_row(one.what, f"{one.value:{digits}} {one.unit}", one.bar, verdict)
    return lines


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
