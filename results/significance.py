"""How sure the means of a table are, and which of them the best is not distinguishable from."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from results.aggregate import LINE, REFERENCES, comparable, summary, with_variants
from results.statistics import holm, intervals, paired_test, smallest_p

ALPHA = 0.05
CELL = [*LINE, "metric"]

Cell = tuple[Any, ...]
Seeds = dict[int, list[float]]


def compared(frame: pd.DataFrame, higher: Mapping[str, bool]) -> pd.DataFrame:
    """Return `summary` of `tidy` with intervals, and with a test of each mean against the best.

    Columns beside `summary`'s: `low` and `high`, the 95 % interval (NaN of fewer than three seeds);
    `best`, whether the mean is the best of its data set and metric; `others`, with how many means
    the best is compared; `p`, of the paired test over common seeds, by Holm corrected for those
    (NaN for the best, and where the common seeds are so few that no p could be below 0.05);
    `bold`, the best and those that the test does not distinguish from it. Only what was scored by
    the metric's usual protocol on as many images is compared, with no seed's score missing, and
    never floor or ceiling.

    Args:
        frame: what `tidy` returned.
        higher: by metric, whether higher is better; others are not compared.
    """
    frame = with_variants(frame)
    lines, values = summary(frame), _values(frame)
    seeds = [values.get(cell, {}) for cell in lines[CELL].itertuples(index=False, name=None)]
    bounds = intervals([[value for found in cell.values() for value in found] for cell in seeds])
    tested = lines.assign(low=bounds[:, 0], high=bounds[:, 1], best=False, others=0, p=np.nan)
    # A mean without the seeds that a metric refused is not that of the others.
    whole = (lines["n"] > 0) & (lines["na"] == 0)
    rivals = lines[whole & comparable(lines, frame) & ~lines["method"].isin(REFERENCES)]
    for (_, metric), column in rivals.groupby(["dataset", "metric"]):
        if metric in higher and len(column) > 1:
            _compare(tested, column, seeds, 1 if higher[str(metric)] else -1)
    return tested.assign(bold=tested["best"] | (tested["p"] > ALPHA))


def _values(frame: pd.DataFrame) -> dict[Cell, Seeds]:
    """Return each cell's values by seed: several if two runs differ in nothing that is recorded."""
    found: dict[Cell, Seeds] = {}
    scored = frame[frame["value"].notna()]
    columns = (scored[name].tolist() for name in ("value", "seed", *CELL))
    for value, seed, *cell in zip(*columns, strict=True):
        found.setdefault(tuple(cell), {}).setdefault(seed, []).append(value)
    return found


def _compare(
    tested: pd.DataFrame, rivals: pd.DataFrame, seeds: Sequence[Seeds], direction: int
) -> None:
    """Fill in `best`, `others` and `p` of one column of the table."""
    means = direction * rivals["mean"].to_numpy()
    places: list[int] = rivals.index.tolist()
    first = places[int(means.argmax())]
    others = [place for place in places if place != first]
    tested.loc[rivals.index[means == means.max()], "best"] = True
    tested.loc[places, "others"] = len(others)
    differences = {place: _differences(seeds[first], seeds[place]) for place in others}
    pairs = {
        place: found
        for place, found in differences.items()
        if smallest_p(len(found)) * len(others) <= ALPHA
    }
    tested.loc[[*pairs], "p"] = holm(paired_test([*pairs.values()]))


def _differences(a: Seeds, b: Seeds) -> list[float]:
    return [fmean(a[seed]) - fmean(b[seed]) for seed in sorted(a.keys() & b.keys())]
