"""Critical-difference diagram: average ranks of the methods over data sets.

Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, 2006,
https://jmlr.org/papers/v7/demsar06a.html: Friedman's test, then Nemenyi's.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, studentized_range

from results.figures.base import FIGURES, NothingToDraw, Picture, stem
from results.figures.style import DOUBLE, SINGLE, method_style
from results.runs import Fact, Runs

MOST = 12
"""Configurations beyond which methods are ranked, each averaged over its hyper-parameters."""
MANY = 4
"""Diagrams from which on there are two columns of them."""
UNIT, ABOVE, STEP = 0.15, 2.6, 0.34
"""Inches between names; units above the axis, and between bars."""


class Ranks(NamedTuple):
    """The ranks of k entries over N data sets in one metric.

    Attributes:
        metric: its name.
        mean: average rank of each entry, 1 is best, best first.
        datasets: N.
        p: of Friedman's test that all entries are alike.
        difference: Nemenyi's critical difference at level 0.05: average ranks that differ by less
            are not distinguishable.
        methods: the method of each entry.
    """

    metric: str
    mean: dict[str, float]
    datasets: int
    p: float
    difference: float
    methods: dict[str, str]

    def cliques(self) -> list[tuple[float, float]]:
        """Return the ends of the longest groups of entries that are not distinguishable."""
        ranks = list(self.mean.values())
        ends = [max(r for r in ranks if r - low < self.difference) for low in ranks]
        found = [(low, high) for low, high in zip(ranks, ends, strict=True) if high > low]
        return [
            (low, high)
            for number, (low, high) in enumerate(found)
            if not any(high <= other for _, other in found[:number])
        ]


@FIGURES.register("ranks", source="https://jmlr.org/papers/v7/demsar06a.html", order=6)
def ranks(runs: Runs) -> Iterator[Picture]:
    """Yield one figure: a diagram per metric."""
    found = average_ranks(runs.scores, runs.facts)
    if not found:
        raise NothingToDraw("ranks need three methods or more scored on the same two data sets")
    best = ", ".join(f"{each.metric} {next(iter(each.mean))}" for each in found)
    alt = f"Critical-difference diagrams over {found[0].datasets} data sets; best ranks: {best}."
    yield Picture(stem("ranks"), alt, lambda: draw(found))


def average_ranks(scores: pd.DataFrame, facts: Mapping[str, Fact]) -> list[Ranks]:
    """Return the ranks in each metric that three entries or more have on two data sets or more.

    An entry is a configuration, averaged over its seeds; where there are more than `MOST`, it is a
    method, averaged over its configurations, each counting the same. Data sets that lack an entry
    of those that most have are left out. Equal scores share their ranks.
    """
    found = (_ranked(str(name), part, facts) for name, part in scores.groupby("metric"))
    return [each for each in found if each is not None]


def _ranked(metric: str, part: pd.DataFrame, facts: Mapping[str, Fact]) -> Ranks | None:
    lines = part.groupby(["dataset", "method", "line"], as_index=False)["value"].mean()
    entry = "line" if lines["line"].nunique() <= MOST else "method"
    table = lines.pivot_table(index="dataset", columns=entry, values="value")
    # Data sets with the most entries decide; then only entries that all of those have.
    table = table[table.notna().sum(axis=1) > table.shape[1] / 2].dropna(axis=1)
    count, k = table.shape
    if count < 2 or k < 3:
        return None
    fact = facts.get(metric)
    higher = fact is None or fact.higher_is_better
    mean = table.rank(axis=1, ascending=not higher).mean().sort_values(kind="stable")
    with np.errstate(invalid="ignore"):
        p = float(friedmanchisquare(*table.to_numpy().T).pvalue)
    methods = dict(zip(lines[entry], lines["method"], strict=True))
    return Ranks(metric, mean.to_dict(), count, p, critical_difference(k, count), methods)


def critical_difference(k: int, n: int, level: float = 0.05) -> float:
    """Return Nemenyi's critical difference of the average ranks of k entries on n data sets."""
    q = float(studentized_range.ppf(1 - level, k, math.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def draw(found: list[Ranks]) -> Figure:
    """Draw the diagrams, many of them in two columns."""
    across = 1 if len(found) < MANY else 2
    rows = [found[i : i + across] for i in range(0, len(found), across)]
    heights = [max(_depth(each) for each in row) + ABOVE for row in rows]
    size = (SINGLE if across == 1 else DOUBLE, UNIT * sum(heights) + 0.3 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    places = figure.subplots(len(rows), across, squeeze=False, height_ratios=heights)
    for row, of_row, height in zip(places, rows, heights, strict=True):
        for axes, each in zip(row, of_row, strict=False):
            _diagram(axes, each, height - ABOVE)
    if len(found) % across:
        places[-1, -1].remove()
    return figure


def _depth(found: Ranks) -> float:
    """Return how far below the axis a diagram goes, in units."""
    return _first(found) + math.ceil(len(found.mean) / 2) - 0.4


def _first(found: Ranks) -> float:
    """Return how far below the axis the first name stands: below all bars."""
    return 0.9 + STEP * len(found.cliques())


def _diagram(axes: Axes, found: Ranks, depth: float) -> None:
    k = len(found.mean)
    half = math.ceil(k / 2)
    axes.set(xlim=(1 - 0.55 * k, k + 0.55 * k), ylim=(-depth, ABOVE))
    axes.axis("off")
    axes.plot([1, k], [0, 0], color="0.2", linewidth=0.8)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, 0.35], color="0.2", linewidth=0.8)
        axes.text(tick, 0.5, str(tick), ha="center", va="bottom", fontsize="x-small")
    for number, (name, rank) in enumerate(found.mean.items()):
        left = number < half
        y = -_first(found) - (number if left else k - 1 - number)
        _entry(axes, found, name, rank, y, 0.8 if left else k + 0.2)
    for number, (low, high) in enumerate(found.cliques()):
        y = -0.5 - STEP * number
        ends = [low - 0.06, high + 0.06]
        axes.plot(ends, [y, y], color="0.1", linewidth=1.8, solid_capstyle="butt")
    _scale(axes, found)


def _entry(axes: Axes, found: Ranks, name: str, rank: float, y: float, end: float) -> None:
    (colour, marker), left = method_style(found.methods[name]), end < 1
    axes.plot([rank, rank, end], [0, y, y], color="0.45", linewidth=0.6, zorder=1)
    axes.plot([rank], [0], marker, color=colour, markersize=3.5, zorder=3)
    text = f"{name.replace(chr(10), ', ')}  {rank:.2f}"
    side = "right" if left else "left"
    axes.text(end - 0.08 if left else end + 0.08, y, text, ha=side, va="center", fontsize="x-small")


def _scale(axes: Axes, found: Ranks) -> None:
    """Draw the critical difference above the axis, and name the tests."""
    length = min(found.difference, 1.1 * len(found.mean))
    axes.plot([1, 1 + length], [1.9, 1.9], "|-", color="0.1", linewidth=0.8, markersize=4)
    text = f"CD {found.difference:.2f}" + (" (cut)" if length < found.difference else "")
    axes.text(1 + length + 0.1, 1.9, text, va="center", fontsize="x-small")
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    title = f"{found.metric.replace('_', ' ')}\n"
    title += f"{found.datasets} data sets, Friedman {p}, Nemenyi at 0.05"
    axes.set_title(title, fontsize="small", pad=2)
