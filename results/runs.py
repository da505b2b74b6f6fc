"""The runs of a folder as figures and the page need them."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmark.registry import GENERATOR, METRICS, UserError
from results.aggregate import REFERENCES, comparable, with_lines
from results.store import Folder


class Fact(NamedTuple):
    """What is known of a row of scores: its range, and whether more is better."""

    range: tuple[float, float]
    higher_is_better: bool


def metric_facts() -> dict[str, Fact]:
    """Return the facts of every row that a registered metric gives."""
    return {
        row: Fact(METRICS[name].facts["range"], METRICS[name].facts["higher_is_better"])
        for name in METRICS.names()
        for row in rows_of(name)
    }


def rows_of(metric: str) -> list[str]:
    """Return the rows that a metric may have: itself, its parts, and those of the other side."""
    facts = METRICS[metric].facts if metric in METRICS.names() else {}
    own = [metric, *(f"{metric}_{part}" for part in facts.get("parts", ()))]
    return [*own, *(f"{row}{GENERATOR}" for row in own)]


class Runs:
    """The runs of a folder, as figures and the page need them.

    Attributes:
        out: the folder of run folders.
        frame: what `tidy` returned of it, or some of its rows.
        x: what the figure `cost` has on its axis: see `results.training_costs.COSTS`.
        facts: of each row of scores.
    """

    def __init__(self, out: Path, frame: pd.DataFrame, x: str = "seconds") -> None:
        self.out, self.frame, self.facts, self.x = Path(out), frame, metric_facts(), x

    @cached_property
    def lines(self) -> pd.DataFrame:
        """The rows of readable runs with a column `line`, the name of the table's line of each."""
        readable = self.frame[self.frame["dataset"] != ""]
        named = [with_lines(rows) for _, rows in readable.groupby("dataset")]
        parts = [part.assign(line=part["line"].astype(str)) for part in named]
        return pd.concat(parts) if parts else readable.assign(line="")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows with a value of what was learnt, without floor and ceiling.

        Of each data set and metric only those of the protocol and number of images that most have:
        others are not comparable with them.
        """
        rows = without_references(self.lines)
        return rows[comparable(rows, rows)]

    @cached_property
    def finished(self) -> pd.DataFrame:
        """A row per finished run: dataset, method, line, seed, steps, folder.

        And two records: `settings`, every hyper-parameter with its value, defaults included, and
        `train`, what the run recorded of its training.
        """
        columns = ["dataset", "method", "line", "seed", "steps", "folder"]
        done = self.lines[self.lines["state"] == "done"].drop_duplicates("folder")[columns]
        configs = [self.configs[name]["run"] for name in done["folder"]]
        scores = [self.folder(name).scores or {"train": {}} for name in done["folder"]]
        return done.assign(
            settings=[run.get("defaults", {}) | run["settings"] for run in configs],
            train=[each["train"] for each in scores],
        ).reset_index(drop=True)

    @cached_property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The configuration of each run that has a readable one, by folder."""
        found = {}
        for name in self.frame["folder"].unique():
            with suppress(UserError):
                found[name] = self.folder(name).config
        return found

    def folder(self, name: str) -> Folder:
        """Return the run folder of that name."""
        return Folder(self.out / name)

    def some(
        self, most: int, kind: type | None = None, *, one_a_line: bool = False
    ) -> pd.DataFrame:
        """Return the finished runs that pictures are drawn of.

        All of them up to `most`; else one of each line, that of the lowest seed, and the first
        `most` of those, from each data set in turn.

        Args:
            most: how many runs.
            kind: arrays that the folder must have, a class of `results.arrays`.
            one_a_line: whether to choose one of each line even of few runs.
        """
        runs = self.finished
        there = [kind is None or self.folder(name).has(kind) for name in runs["folder"]]
        runs = runs[pd.Series(there, runs.index, dtype=bool)]
        if len(runs) <= most and not one_a_line:
            return runs
        firsts = runs.sort_values("seed", kind="stable").drop_duplicates(["dataset", "line"])
        turn = firsts.sort_index().groupby("dataset").cumcount()
        kept = turn.sort_values(kind="stable").index[:most]
        return runs.loc[sorted(kept)]


def without_references(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a value, without floor and ceiling."""
    return frame[frame["value"].notna() & ~frame["method"].isin(list(REFERENCES))]
