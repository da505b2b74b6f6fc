"""Scores of the fixed table of 50,000 rows beside those of all: `python -m tests.table_agreement`.

Of finished runs that have codes of all images (`run --rows all`): the mean and standard deviation
of each usual metric over ten seeds of its generator on all rows, and over ten tables of as many
rows as the fixed one has, the fixed one first.
"""

import sys
from pathlib import Path

import numpy as np

from benchmark.registry import METRICS
from datasets import Dataset, load
from datasets.base import TABLE_ROWS
from metrics.base import score
from results.store import Codes, Folder

METRICS_OF_CODES = ("betavae", "factorvae", "mig", "modularity", "sap")
SEEDS = 10


def scores(metric: str, found: Codes, dataset: Dataset, tables: bool) -> list[float]:
    """Return the metric's values for each seed: on all rows, or on tables of `TABLE_ROWS`."""
    values: list[float] = []
    for seed in range(SEEDS):
        chance = np.random.default_rng(seed)
        size = TABLE_ROWS if tables else len(dataset)
        fixed = dataset.table_rows(TABLE_ROWS if tables else None)
        rows = fixed if seed == 0 else np.sort(chance.choice(len(dataset), size, replace=False))
        held_out = np.random.default_rng(0).random(len(rows)) < 0.5
        table = {"codes": found.codes[rows], "factors": dataset.factors(rows), "held_out": held_out}
        values += score(METRICS[metric], table, chance, disjoint=tables).values()
    return values


def main(paths: list[str]) -> None:
    """Print a line per run and metric."""
    print("run | metric | all rows | tables | difference, in standard deviations of a score")
    for path in paths:
        folder = Folder(Path(path))
        found, dataset = folder.read(Codes), load(folder.config["run"]["dataset"])
        if len(found.rows) < len(dataset):
            sys.exit(f"{path} has no codes of all images; run --rows all makes them")
        for metric in METRICS_OF_CODES:
            whole, table = (np.array(scores(metric, found, dataset, t)) for t in (False, True))
            spread = np.hypot(whole.std(ddof=1), table.std(ddof=1))
            cells = [f"{one.mean():.4f} ± {one.std(ddof=1):.4f}" for one in (whole, table)]
            cells.append(f"{(table.mean() - whole.mean()) / max(spread, 1e-12):+.1f}")
            print(" | ".join([folder.config["run"]["method"], metric, *cells]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
