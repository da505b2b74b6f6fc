"""Averages over seeds, of like with like."""

import re
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd

FLOOR = "random"
REFERENCES = {FLOOR: "floor", "truth": "ceiling"}
TRAINING = ["steps", "budget", "precision", "version"]
CONFIGURATION = [
    *("dataset", "method", "method_version", "settings", "sees", "representation"),
    *TRAINING,
]
LINE = [*CONFIGURATION, "variant"]

Record = dict[str, Any]
Facts = dict[str, Any]
Protocol = tuple[str, int]
"""What a score is comparable by: the metric's protocol, and the number of images."""


class Usual(NamedTuple):
    """What most runs of a data set have in common; of equal counts, the first in order.

    Attributes:
        training: steps, budget, precision and version.
        defaults, method_version: by method.
        protocols: see `usual_protocols`.
    """

    training: Record
    defaults: dict[str, str]
    method_version: dict[str, int]
    protocols: dict[tuple[str, str], Protocol]


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, configuration and metric, over the seeds of `tidy`.

    Only like is averaged with like: another data set, method, setting, supervision, representation,
    number of steps, budget, precision or version is another row, and so is another default,
    protocol or number of images, which `variant` counts (0, 1, ...). Columns beside those: `seeds`
    done, `failed` (or diverged, or broken), `unfinished`; per metric `n` values, `mean`, `std`
    (n - 1; NaN for one), `min`, `max`, `na` (seeds without a value) and `reason` (why). A
    configuration without any score has one row without a metric.
    """
    frame = with_variants(frame)
    runs = frame.drop_duplicates("folder")
    runs = runs.assign(
        seeds=runs["state"] == "done",
        failed=runs["state"].isin(["failed", "diverged", "broken"]),
        unfinished=runs["state"] == "unfinished",
    )
    grouped = runs.groupby(LINE, dropna=False)
    counts = grouped[["seeds", "failed", "unfinished"]].sum().join(grouped["defaults"].first())
    counted = counts.reset_index().merge(_cells(frame), how="left", on=LINE)
    absent = {"metric": "", "protocol": "", "reason": "", "n": 0, "na": 0}
    return _sorted(counted.fillna(absent).astype({"n": int, "na": int}))


def with_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `tidy` of one data set with a column `line`: the line of the table that a row is in.

    Lines are ordered as in the table; their names say what sets them apart: "betavae beta=4".
    """
    usually = usual(frame)
    names: dict[tuple[Any, ...], str] = {}
    for rows in by_line(summary(frame)):
        name = "\n".join(line_name(rows, usually))
        if name in names.values():
            name += f"\n{rows[0]['sees']}, {rows[0]['representation']}, {rows[0]['variant']}"
        names[_line_of(rows[0])] = name
    frame = with_variants(frame)
    keys = frame[LINE].itertuples(index=False, name=None)
    line = pd.Categorical([names[key] for key in keys], list(names.values()), ordered=True)
    return frame.assign(line=line)


def label(method: str, settings: str = "") -> str:
    """Return how a method is called in tables and figures: "betavae beta=4", "random (floor)"."""
    reference = f" ({REFERENCES[method]})" if method in REFERENCES else ""
    return printable(f"{method}{reference} {settings}".strip())


def natural(text: str) -> list[tuple[int, float, str]]:
    """Return a sort key in which "beta=10" comes after "beta=4"."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(part), "") if part[:1].isdigit() else (1, 0.0, part) for part in parts]


def wrapped(text: str, width: int) -> str:
    """Break the lines of `text` that are longer than `width` characters, at spaces."""
    lines = text.split("\n")
    return "\n".join(
        part for line in lines for part in textwrap.wrap(line, width, break_long_words=False)
    )


def printable(text: str) -> str:
    """Return `text` on one line, without control characters (a run folder can contain anything)."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def records(frame: pd.DataFrame) -> list[Record]:
    """Return the rows as dictionaries by column."""
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def by_line(lines: pd.DataFrame) -> list[list[Record]]:
    """Return the rows of `summary` of each line of the table, in its order."""
    return [list(rows) for _, rows in groupby(records(lines), key=_line_of)]


def _line_of(row: Record) -> tuple[Any, ...]:
    return tuple(str(row[name]) if pd.isna(row[name]) else row[name] for name in LINE)


def usual(frame: pd.DataFrame) -> Usual:
    """Return what most runs of `tidy` of one data set have in common."""
    runs = frame.drop_duplicates("folder")
    # What is not trained by steps has a budget that nobody chose.
    trained = runs if (runs["steps"] == 0).all() else runs[runs["steps"] > 0]
    training = {column: trained[column].mode().iat[0] for column in TRAINING}
    by_method: dict[str, dict[str, Any]] = {
        column: {str(name): given.mode().iat[0] for name, given in runs.groupby("method")[column]}
        for column in ("defaults", "method_version")
    }
    return Usual(training, **by_method, protocols=usual_protocols(frame))


def usual_protocols(scores: pd.DataFrame) -> dict[tuple[str, str], Protocol]:
    """Return how most values of a metric on a data set were scored, by (data set, metric)."""
    keys = ["dataset", "metric", "protocol", "images"]
    votes = scores[scores["value"].notna()].groupby(keys, sort=False).size()
    most = votes.groupby(keys[:2]).idxmax()
    return {(dataset, metric): (protocol, images) for dataset, metric, protocol, images in most}


def comparable(rows: pd.DataFrame, scores: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows were scored as most values of their metric and data set in `scores`."""
    usually = usual_protocols(scores)
    keys = zip(rows["dataset"], rows["metric"], strict=True)
    protocols = zip(rows["protocol"], rows["images"], strict=True)
    same = [usually.get(key) == each for key, each in zip(keys, protocols, strict=True)]
    return pd.Series(same, rows.index, dtype=bool)


def line_name(rows: list[Record], usually: Usual) -> list[str]:
    """Return what a line of the table is called, and what sets it apart from the usual ones."""
    first = rows[0]
    return [label(first["method"], first["settings"]), *_differences(rows, usually)]


def _differences(rows: list[Record], usually: Usual) -> Iterator[str]:
    first, method = rows[0], rows[0]["method"]
    for column in TRAINING:
        untrained = column in ("steps", "budget") and first["steps"] == 0
        if first[column] != usually.training[column] and not untrained:
            text = str(first[column]) or f"{column} not known"
            yield f"{first[column]:,} steps" if column == "steps" else text
    if first["method_version"] != usually.method_version[method]:
        yield f"version {first['method_version'] or 'unknown'} of the method"
    defaults = _defaults(usually.defaults[method])
    for name, value in _defaults(first["defaults"]).items():
        if defaults.get(name, value) != value:
            yield f"default {name}={value}"
    fewer = set()
    for row in (row for row in rows if row["n"] > 0):
        protocol, images = usually.protocols[row["dataset"], row["metric"]]
        if row["protocol"] != protocol:
            yield f"metric {row['metric']}: protocol {row['protocol']}"
        fewer |= {row["images"]} - {images}
    yield from (f"{images:,} images" for images in sorted(fewer))


def with_variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `tidy` with `variant`, which numbers each configuration's runs.

    Those of one number agree on every default that both know, on every protocol, and on how many
    images it was.
    """
    if "variant" in frame:
        return frame
    scored = frame[frame["value"].notna()]
    facts: dict[str, Facts] = {}
    protocols = scored[["folder", "metric", "protocol", "images"]]
    for folder, metric, *protocol in protocols.itertuples(index=False, name=None):
        facts.setdefault(folder, {})[metric] = protocol
    runs = scored.drop_duplicates("folder")
    lines = runs[CONFIGURATION].itertuples(index=False, name=None)
    known: dict[tuple[Any, ...], list[Facts]] = {}
    number: dict[str, int] = {}
    for folder, defaults, line in zip(runs["folder"], runs["defaults"], lines, strict=True):
        # A code that has since been given a new setting is no other one.
        found = {f"default {name}": value for name, value in _defaults(defaults).items()}
        number[folder] = _variant(known.setdefault(line, []), facts[folder] | found)
    return frame.assign(variant=frame["folder"].map(number).fillna(0).astype(int))


@cache
def _defaults(text: str) -> dict[str, str]:
    pairs = (setting.partition("=") for setting in text.split(", ") if setting)
    return {name: value for name, _, value in pairs}


def _variant(variants: list[Facts], facts: Facts) -> int:
    """Return the first variant that agrees with all facts of a run, which it is extended by."""
    for number, known in enumerate(variants):
        if all(known.get(name, fact) == fact for name, fact in facts.items()):
            known.update(facts)
            return number
    variants.append(dict(facts))
    return len(variants) - 1


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    scored = frame[frame["metric"] != ""]
    # Those with a value first: they say by which protocol, on how many images.
    scored = scored.sort_values("value", na_position="last", kind="stable")
    grouped = scored.groupby([*LINE, "metric"], dropna=False)
    value = grouped["value"].agg(n="count", mean="mean", std="std", min="min", max="max")
    first = grouped[["protocol", "images"]].first()
    missing = scored[scored["value"].isna()].groupby([*LINE, "metric"], dropna=False)["reason"]
    reasons = missing.agg(na="size", reason=lambda texts: "; ".join(sorted(set(texts) - {""})))
    return first.join(value).join(reasons).reset_index()


def _sorted(lines: pd.DataFrame) -> pd.DataFrame:
    order = {method: rank for rank, method in enumerate(REFERENCES, start=1)}
    keys = [
        (
            *(row["dataset"], order.get(row["method"], 0), row["method"]),
            *(natural(row["settings"]), row["representation"], row["sees"]),
            *(natural(str(row[name])) for name in TRAINING),
            *(row["variant"], row["metric"]),
        )
        for row in records(lines)
    ]
    ranks = sorted(range(len(keys)), key=keys.__getitem__)
    return lines.iloc[ranks].reset_index(drop=True)
