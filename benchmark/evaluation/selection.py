"""`python -m benchmark best`: hyper-parameters chosen on some seeds, and reported on the others."""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.config.parse import spans
from benchmark.registry import GENERATOR, METRICS, UserError, unknown
from metrics.base import needs, row_names
from metrics.udr import mean_kl, udr
from results.aggregate import REFERENCES, comparable, label, natural, printable, records
from results.arrays import FILES
from results.kept import require
from results.output import directions, print_table
from results.significance import compared
from results.store import Codes, Folder
from results.terminal import console

UDR: dict[str, Literal["lasso", "spearman"]] = {"udr": "lasso", "udr_spearman": "spearman"}
UDR_ROWS = 1_000
ALIKE = [
    *("dataset", "method", "method_version", "sees", "representation"),
    *("steps", "budget", "precision", "version"),
]
"""What runs have in common for which one choice is made."""
KEY = [*ALIKE, "settings"]


@dataclass(frozen=True)
class Split:
    """The seeds that choose, and those that are reported: no seed is in both."""

    chosen_on: tuple[int, ...]
    reported_on: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """What was chosen for a method on a data set.

    Attributes:
        runs: what its runs have in common, by the names in `ALIKE`.
        settings: the chosen hyper-parameters; None where no run has a score to choose by.
        score: the mean over `n` seeds that chose it.
        candidates: of how many settings.
        among: of how many finished runs.
        reason: why nothing is chosen.
    """

    runs: dict[str, Any]
    settings: str | None
    score: float | None
    n: int
    candidates: int
    among: int
    reason: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """What the chosen runs have in common: the values of `KEY`."""
        return (*self.runs.values(), self.settings)


def split(frame: pd.DataFrame, chosen_on: Collection[int] | None) -> Split:
    """Return which seeds of the runs in `tidy` choose: those named, or the first half of them.

    Raises:
        UserError: none is left to choose on, or to report.
    """
    trained = frame[~frame["method"].isin(REFERENCES)]
    seeds = sorted({int(seed) for seed in trained["seed"].dropna()})
    chosen = seeds[: len(seeds) // 2] if chosen_on is None else sorted({*chosen_on} & {*seeds})
    held_out = [seed for seed in seeds if seed not in chosen]
    if not chosen or not held_out:
        raise UserError(
            "best needs seeds to choose on and other seeds to report; "
            f"there are seeds {', '.join(map(str, seeds)) or 'of no run'}"
        )
    return Split(tuple(chosen), tuple(held_out))


def rule(by: str, direction: int) -> str:
    """Return in words what is chosen."""
    extreme = "highest" if direction > 0 else "lowest"
    if by in UDR:
        return f"highest mean UDR ({UDR[by]}; Duan et al., 2020), which sees no labels"
    row = by.removesuffix(GENERATOR)
    entries = [METRICS[name] for name in METRICS.names() if row in row_names(METRICS[name])]
    labelled = any({"factors", "label"} & {*needs(entry.value)} for entry in entries)
    return f"{extreme} mean {by}, which sees {'true factors or' if labelled else 'no'} labels"


def choose(frame: pd.DataFrame, out: Path, by: str, direction: int, seeds: Split) -> list[Choice]:
    """Return the best settings of each method on each data set.

    Of the settings that have a score on most of the seeds that choose, the one with the best mean;
    the first of equals. What failed has no score, so a setting that fails often is not chosen.

    Args:
        frame: what `tidy` returned.
        out: the folder of run folders, of which UDR reads codes.
        by: a metric, or one of `UDR`.
        direction: 1 if higher is better, -1 if lower.
        seeds: which seeds choose.
    """
    trained = frame[~frame["method"].isin(REFERENCES) & (frame["method"] != "")]
    runs = trained[trained["seed"].isin(list(seeds.chosen_on))]
    found = []
    for alike, group in runs.groupby(ALIKE):
        scores = _udr(group, out, by) if by in UDR else _scores(group, by)
        candidates = sorted(group["settings"].unique(), key=natural)
        most = max((len(values) for values in scores.values()), default=0)
        ranked = [one for one in candidates if most and len(scores.get(one, ())) == most]
        means = {one: fmean(scores[one]) for one in ranked}
        best = max(means, key=lambda one: direction * means[one], default=None)
        score = None if best is None else means[best]
        whose = dict(zip(ALIKE, alike, strict=True))
        done = group[group["state"] == "done"].drop_duplicates("folder")
        reason = "" if score is not None else _no_score(done, by)
        found.append(Choice(whose, best, score, most, len(candidates), len(done), reason))
    return found


def _no_score(done: pd.DataFrame, by: str) -> str:
    """Return why none of the runs that are done has a score to choose by."""
    if done.empty:
        return "no run of the seeds that choose is done"
    if by not in UDR:
        return f"no run of the seeds that choose has {by}"
    if done["settings"].is_unique:
        return "UDR compares runs of two seeds, and one chooses; --select names others"
    return "UDR compares codes, and too few can be read"


def _scores(group: pd.DataFrame, metric: str) -> dict[str, list[float]]:
    """Return the metric's values by settings, all of its usual protocol."""
    rows = group[(group["metric"] == metric) & group["value"].notna()]
    rows = rows[comparable(rows, rows)]
    return {str(one): values.tolist() for one, values in rows.groupby("settings")["value"]}


def _udr(group: pd.DataFrame, out: Path, by: str) -> dict[str, list[float]]:
    """Return the UDR of each run among the seeds of its settings, by settings."""
    found: dict[str, list[float]] = {}
    for settings, rows in group[group["state"] == "done"].groupby("settings"):
        codes = list(_codes([Folder(out / name) for name in rows["folder"].unique()]))
        codes = [one for one in codes if np.array_equal(one.rows, codes[0].rows)]
        if len(codes) > 1:
            kl = [mean_kl(one.codes, one.std) for one in codes if one.std is not None]
            informed = kl if len(kl) == len(codes) else None
            scores = udr([one.codes for one in codes], informed, correlation=UDR[by])
            found[str(settings)] = scores.tolist()
    return found


def _codes(folders: Sequence[Folder]) -> Iterator[Codes]:
    """Yield the codes of a thousand images; all runs of a method on a data set drew the same."""
    for folder in folders:
        try:
            require(folder, FILES[Codes].name)
            codes = folder.read(Codes)
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        chance = np.random.default_rng(0)
        some = np.sort(chance.permutation(len(codes.rows))[:UDR_ROWS])
        std = None if codes.std is None else codes.std[some]
        yield codes._replace(codes=codes.codes[some], rows=codes.rows[some], std=std)


def held_out(frame: pd.DataFrame, choices: Sequence[Choice], seeds: Split) -> pd.DataFrame:
    """Return the rows of the chosen settings on the seeds that did not choose, and references."""
    chosen = {one.key for one in choices}
    keys = frame[KEY].itertuples(index=False, name=None)
    kept = np.array([key in chosen for key in keys], bool) | frame["method"].isin(REFERENCES)
    return frame[kept & ~frame["seed"].isin(list(seeds.chosen_on))]


def table(choices: Sequence[Choice], by: str) -> Table:
    """Return the choices as a table."""
    columns = ("data set", "method", "chosen", "of settings", "of runs", by, "of seeds")
    shown = Table(*columns, box=box.SIMPLE_HEAD)
    for one in choices:
        settings = f"nothing: {one.reason}" if one.settings is None else one.settings or "as it is"
        score = "-" if one.score is None else f"{one.score:.3f}"
        names = printable(one.runs["dataset"]), label(one.runs["method"]), printable(settings)
        counts = str(one.candidates), str(one.among)
        shown.add_row(*map(Text, (*names, *counts, score, str(one.n))))
    return shown


def as_records(
    choices: Sequence[Choice], lines: pd.DataFrame, by: str, direction: int, seeds: Split
) -> list[dict[str, Any]]:
    """Return each choice with the rule, the seeds, and `compared`'s numbers of held-out seeds."""
    about = {"by": by, "rule": rule(by, direction), **asdict(seeds)}
    found = []
    for one in choices:
        choice = asdict(one)
        record = {**choice.pop("runs"), **choice, **about}
        found.append({**record, "held_out": _numbers(lines, one)})
    return found


def _numbers(lines: pd.DataFrame, one: Choice) -> list[dict[str, Any]]:
    """Return the numbers of the lines of `compared` that are of the chosen runs."""
    columns = ["metric", "n", "failed", "mean", "low", "high", "protocol"]
    same = (lines[KEY] == pd.Series(one.key, KEY)).all(axis=1) & (lines["metric"] != "")
    found = lines.loc[same, columns].astype(object)
    return records(found.where(found.notna(), None))


def show(
    frame: pd.DataFrame,
    out: Path,
    by: str,
    chosen_on: Collection[int] | None,
    json: bool,
    to: Sequence[Path] = (),
) -> None:
    """Print what is chosen of the runs in `tidy`, and the table of the runs that did not choose.

    Raises:
        UserError: no run has such a metric, or there are too few seeds.
    """
    known = {*frame["metric"][~frame["method"].isin(REFERENCES)], *UDR} - {""}
    if by not in known:
        raise unknown("metric among the runs", by, known)
    seeds = split(frame, chosen_on)
    direction = 1 if by in UDR or directions().get(by, True) else -1
    choices = choose(frame, out, by, direction, seeds)
    reported = held_out(frame, choices, seeds)
    if json:
        lines = compared(reported, directions())
        found = as_records(choices, lines, by, direction, seeds)
        sys.stdout.write(dumps(found, indent=1, allow_nan=False) + "\n")
        return
    screen = console()
    screen.print(Text(f"chosen on seeds {spans(seeds.chosen_on)}: {rule(by, direction)}", "bold"))
    screen.print(table(choices, by))
    screen.print(Text(f"reported on seeds {spans(seeds.reported_on)}, which chose nothing", "bold"))
    print_table(reported, False, to)
