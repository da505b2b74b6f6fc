"""Averages over seeds, of like with like."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

import pandas as pd

REFERENCES = {"random": "floor", "truth": "ceiling"}
ASKED = ["steps", "budget", "precision", "version"]
CONFIGURATION = [
    *("dataset", "method", "method_version", "settings", "sees", "representation"),
    *ASKED,
]
LINE = [*CONFIGURATION, "variant"]

Signs = dict[str, tuple[str, int]]
"""By which protocol, and on how many images, a run was scored: metric -> (protocol, images)."""

Record = dict[str, Any]


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
    lines = summary(frame)
    usual, scored_as = usual_asked(lines), usual_signs(lines)
    names: dict[tuple[Any, ...], str] = {}
    for rows in by_line(lines):
        parts = [label(rows[0]["method"], rows[0]["settings"])]
        name = "\n".join([*parts, *differences(rows, usual, scored_as)])
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
    """Return `text` on one line, without control characters (a run folder can hold anything)."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def records(frame: pd.DataFrame) -> list[Record]:
    """Return the rows as dictionaries by column."""
    return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


def by_line(lines: pd.DataFrame) -> list[list[Record]]:
    """Return the rows of `summary` of each line of the table, in its order."""
    return [list(rows) for _, rows in groupby(records(lines), key=_line_of)]


def _line_of(row: Record) -> tuple[Any, ...]:
    return tuple(str(row[name]) if pd.isna(row[name]) else row[name] for name in LINE)


def usual_asked(lines: pd.DataFrame) -> Record:
    """Return the steps, budget, ... that most runs of `summary` have.

    By method, `defaults` and `method_version`.
    """
    lines = lines.drop_duplicates(LINE)
    lines = lines.loc[lines.index.repeat(lines[["seeds", "failed", "unfinished"]].sum(axis=1))]
    by_method = {
        column: {str(name): rows[column].mode().iat[0] for name, rows in lines.groupby("method")}
        for column in ("defaults", "method_version")
    }
    # What is not trained by steps has a budget that nobody chose.
    trained = lines[lines["steps"] > 0]
    lines = lines if trained.empty else trained
    usual = {column: lines[column].mode().iat[0] for column in ASKED}
    return {**usual, **by_method}


def usual_signs(lines: pd.DataFrame) -> Signs:
    """Return the protocol and number of images that most values of each metric have."""
    counts: dict[str, Counter[tuple[str, int]]] = {}
    for row in records(lines[lines["n"] > 0]):
        counts.setdefault(row["metric"], Counter())[row["protocol"], row["images"]] += row["n"]
    return {metric: count.most_common(1)[0][0] for metric, count in counts.items()}


def differences(rows: list[Record], usual: Record, scored_as: Signs) -> Iterator[str]:
    """Say what sets a line apart from the title of its table and from the other lines."""
    first = rows[0]
    for column in ASKED:
        silent = column in ("steps", "budget") and first["steps"] == 0
        if first[column] != usual[column] and not silent:
            text = str(first[column]) or f"{column} not known"
            yield f"{first[column]:,} steps" if column == "steps" else text
    if first["method_version"] != usual["method_version"][first["method"]]:
        yield f"version {first['method_version'] or 'unknown'} of the method"
    theirs, ours = _defaults(usual["defaults"][first["method"]]), _defaults(first["defaults"])
    yield from (
        f"default {name}={ours[name]}"
        for name in ours
        if theirs.get(name, ours[name]) != ours[name]
    )
    scored = [(row, scored_as[row["metric"]]) for row in rows if row["n"] > 0]
    for row, (protocol, _) in scored:
        if row["protocol"] != protocol:
            yield f"metric {row['metric']}: protocol {row['protocol']}"
    fewer = {row["images"] for row, (_, images) in scored if row["images"] != images}
    yield from (f"{images:,} images" for images in sorted(fewer))


def with_variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `tidy` with `variant`, which numbers each configuration's runs.

    Those of one number agree on every default that both know, on every protocol, and on how many
    images it was.
    """
    if "variant" in frame:
        return frame
    there = frame[frame["value"].notna()]
    signs: dict[str, Signs] = {}
    names = ("folder", "metric", "protocol", "images")
    for folder, metric, *sign in zip(*(there[name].tolist() for name in names), strict=True):
        signs.setdefault(folder, {})[metric] = (sign[0], sign[1])
    runs = there.drop_duplicates("folder")
    asked = runs[CONFIGURATION].itertuples(index=False, name=None)
    known: dict[tuple[Any, ...], list[Signs]] = {}
    number: dict[str, int] = {}
    for folder, defaults, line in zip(runs["folder"], runs["defaults"], asked, strict=True):
        # As a protocol of no metric: a code that has since learnt a new setting is no other one.
        told = {f"default {name}": (value, 0) for name, value in _defaults(defaults).items()}
        number[folder] = _fit(known.setdefault(line, []), signs[folder] | told)
    return frame.assign(variant=frame["folder"].map(number).fillna(0).astype(int))


@cache
def _defaults(text: str) -> dict[str, str]:
    pairs = (setting.partition("=") for setting in text.split(", ") if setting)
    return {name: value for name, _, value in pairs}


def _fit(variants: list[Signs], signs: Signs) -> int:
    for number, known in enumerate(variants):
        if all(known.get(metric, sign) == sign for metric, sign in signs.items()):
            known.update(signs)
            return number
    variants.append(dict(signs))
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
            *(natural(str(row[name])) for name in ASKED),
            *(row["variant"], row["metric"]),
        )
        for row in records(lines)
    ]
    ranks = sorted(range(len(keys)), key=keys.__getitem__)
    return lines.iloc[ranks].reset_index(drop=True)
