"""How sure the means of a table are, and which of them the best is not distinguishable from."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.aggregate import FLOOR, LINE, REFERENCES, comparable, summary, with_variants
from results.statistics import holm, intervals, paired_test, smallest_p

ALPHA = 0.05
CELL = [*LINE, "metric"]


def compared(frame: pd.DataFrame, higher: Mapping[str, bool]) -> pd.DataFrame:
    """Return `summary` of `tidy` with intervals, and with a test of each mean against the best.

    Columns beside `summary`'s: `low` and `high`, the 95 % interval (NaN of fewer than three seeds);
    `best`, whether the mean is the best of its data set and metric; `others`, with how many means
    the best is compared; `p`, of the paired test over common seeds, by Holm corrected for those
    (NaN for the best, and where the common seeds are so few that no p could be below 0.05);
    `bold`, the best and those that the test does not distinguish from it, but none that is not
    better than the floor. Only what was scored by
    the metric's usual protocol on as many images is compared, with no seed's score missing, and
    never floor or ceiling.

    Args:
        frame: what `tidy` returned.
        higher: by metric, whether higher is better; others are not compared.
    """
    frame = with_variants(frame)
    lines = summary(frame)
    scored = frame[frame["value"].notna()]
    scored = scored.merge(lines[CELL].reset_index(names="cell"), on=CELL)
    values = scored.groupby("cell")["value"].agg(list).to_dict()
    bounds = intervals([values.get(cell, []) for cell in lines.index])
    tested = lines.assign(low=bounds[:, 0], high=bounds[:, 1], best=False, others=0, p=np.nan)
    # Runs that differ in nothing but their folders have their mean.
    seeds = scored.pivot_table("value", "cell", "seed").reindex(lines.index).to_numpy(np.float64)
    # A mean without the seeds that a metric refused is not that of the others.
    complete = (lines["n"] > 0) & (lines["na"] == 0)
    rivals = lines[complete & comparable(lines, frame) & ~lines["method"].isin(REFERENCES)]
    for (_, metric), column in rivals.groupby(["dataset", "metric"]):
        if metric in higher and len(column) > 1:
            _compare(tested, column, seeds, 1 if higher[str(metric)] else -1)
    passing = ~_within_floor(lines, frame, higher)
    return tested.assign(bold=passing & (tested["best"] | (tested["p"] > ALPHA)))


def _within_floor(
    lines: pd.DataFrame, frame: pd.DataFrame, higher: Mapping[str, bool]
) -> "pd.Series[bool]":
    """Return which means are not better than what random codes score by the usual protocol."""
    direction = lines["metric"].map(lambda name: 1.0 if higher.get(name, True) else -1.0)
    means = lines.assign(mean=direction.astype(float) * lines["mean"])
    floors = means[(lines["method"] == FLOOR) & comparable(lines, frame)]
    floor = floors.groupby(["dataset", "metric"])["mean"].max().rename("floor")
    return means["mean"] <= means.join(floor, on=["dataset", "metric"])["floor"]


def _compare(
    tested: pd.DataFrame, rivals: pd.DataFrame, seeds: NDArray[np.float64], direction: int
) -> None:
    """Fill in `best`, `others` and `p` of one column of the table.

    Args:
        tested: all cells.
        rivals: those of the column.
        seeds: (cells, seeds), the values; NaN where a cell has none.
        direction: 1 if higher is better, -1 if lower.
    """
    means = direction * rivals["mean"].to_numpy()
    places: list[int] = rivals.index.tolist()
    first = places[int(means.argmax())]
    others = [place for place in places if place != first]
    tested.loc[rivals.index[means == means.max()], "best"] = True
    tested.loc[places, "others"] = len(others)
    differences = {place: seeds[first] - seeds[place] for place in others}
    common = {place: found[~np.isnan(found)] for place, found in differences.items()}
    pairs = {
        place: found
        for place, found in common.items()
        if smallest_p(len(found)) * len(others) <= ALPHA
    }
    tested.loc[[*pairs], "p"] = holm(paired_test([*pairs.values()]))
