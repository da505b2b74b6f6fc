"""Which values of the label each category of c1 stands for, in a median run and in the best."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.aggregate import REFERENCES, records, wrapped
from results.arrays import Information
from results.figures.base import (
    FIGURES,
    Picture,
    heatmap,
    none_stored,
    panels,
    read_or_say,
    stem,
)
from results.runs import Runs


@FIGURES.register("confusion", source="https://arxiv.org/abs/1606.03657", order=9.5)
def confusion(runs: Runs) -> Iterator[Picture]:
    """Yield a figure per line of the table that has a categorical code: its median and best run."""
    found = tables(runs)
    if not found:
        text = "no run holds information.h5 of a categorical code and a label"
        raise none_stored(runs, Information, text)
    for (dataset, line), by_seed in found.items():
        chosen = median_and_best(by_seed)
        shares = ", ".join(f"{name} {right(table):.1%}" for name, table in chosen.items())
        alt = f"Heat maps of c1 by the label of {dataset}, {line}. Right one-to-one: {shares}."
        name = stem("confusion", dataset, line)
        yield Picture(name, alt, partial(draw, chosen, f"{dataset}: {line}, c1 by label, percent"))


def tables(runs: Runs) -> dict[tuple[str, str], dict[int, NDArray[np.int64]]]:
    """Return counts (A, B) of categories by labels: by data set and line, and by seed."""
    found: dict[tuple[str, str], dict[int, NDArray[np.int64]]] = {}
    for run in records(runs.finished[~runs.finished["method"].isin(list(REFERENCES))]):
        folder = runs.folder(run["folder"])
        kept = read_or_say(partial(folder.get, Information))
        if kept is not None and kept.confusion is not None:
            line = run["line"].replace("\n", ", ")
            found.setdefault((run["dataset"], line), {})[run["seed"]] = matched(kept.confusion)
    return found


def matched(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts (A, B) with the categories in the order of the labels that they stand for.

    Those are matched one-to-one, so that most images are right; categories without one come last.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts, maximize=True)
    known = rows[np.argsort(columns)]
    others = np.setdiff1d(np.arange(len(counts)), rows)
    return counts[np.append(known, others)]


def right(counts: NDArray[np.int64]) -> float:
    """Return the share of images that are right, the categories matched as in `matched`."""
    from scipy.optimize import linear_sum_assignment

    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def median_and_best(by_seed: dict[int, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """Return the counts of the median seed, of an even number the lower one, and of the best."""
    ranked = sorted(by_seed, key=lambda seed: right(by_seed[seed]))
    chosen = {"median": ranked[(len(ranked) - 1) // 2], "best": ranked[-1]}
    if len(ranked) == 1:
        del chosen["median"]
    return {f"{name}, seed {seed}": by_seed[seed] for name, seed in chosen.items()}


def draw(chosen: dict[str, NDArray[np.int64]], title: str) -> Figure:
    """Draw counts beside each other, in percent of the images of each label."""
    tall = max(len(counts) for counts in chosen.values())
    figure, axes = panels(len(chosen), 0.6 + 0.2 * tall, 2, above=0.4)
    for panel, (name, counts) in zip(axes, chosen.items(), strict=True):
        shares = 100 * counts / np.maximum(counts.sum(0), 1)
        how = {"annot": shares.size <= 400, "annot_kws": {"fontsize": 5.5}, "linewidths": 0.4}
        heatmap(panel, pd.DataFrame(shares), vmin=0, vmax=100, cmap="Blues", cbar=False, **how)
        panel.tick_params(axis="both", labelsize="x-small", rotation=0)
        panel.set(xlabel="label", ylabel="category, as matched")
        panel.set_title(f"{name}: {right(counts):.1%} right", fontsize="x-small")
    figure.suptitle(wrapped(title, 60), fontsize="medium")
    return figure
