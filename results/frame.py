"""One row per run and metric: what every table, figure and file of results starts from."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.registry import PACKAGE, UserError
from results.atomic import written
from results.frame_cache import collected
from results.store import Folder, folders

COLUMNS = {
    "dataset": "str",
    "method": "str",
    "settings": "str",
    "sees": "str",
    "representation": "str",
    "seed": "Int64",
    "steps": "Int64",
    "budget": "str",
    "precision": "str",
    "defaults": "str",
    "version": "str",
    "method_version": "Int64",
    "metric": "str",
    "value": "float64",
    "reason": "str",
    "protocol": "str",
    "state": "str",
    "seconds": "float64",
    "images": "Int64",
    "key": "str",
    "folder": "str",
}

RUN = ("dataset", "method", "seed", "steps", "budget", "precision")
SCORE = ("metric", "value", "protocol", "seconds", "images")
NUMBERS = (".csv", ".parquet")
"""Suffixes of files that frames are written to."""


def tidy(out: Path, wanted: Mapping[str, Collection[Any]] | None = None) -> pd.DataFrame:
    """Return one row per run and metric, of the runs in `out` by folder name.

    A run without scores has one row: no metric, value NaN, its state and the reason. A run whose
    `run.json` cannot be read names no data set and no method, and passes every filter. Text that is
    missing is "", `seconds` is what the metric took, `images` how many were scored; `settings` are
    the hyper-parameters that are not the method's `defaults`, `version` is the code that trained,
    `method_version` the method's own, 0 where a run does not record it.

    Args:
        out: the folder of run folders.
        wanted: see `only`.
    """
    frame = collected(Path(out), folders(out), _read)
    return only(frame, wanted or {}).reset_index(drop=True)


def only(frame: pd.DataFrame, wanted: Mapping[str, Collection[Any]]) -> pd.DataFrame:
    """Return the rows whose columns have one of the `wanted` values; none wanted keeps all."""
    for column, keep in wanted.items():
        if keep:
            # What is missing cannot be ruled out: a failed run has no metric, a broken one no name.
            missing = frame[column].isna() if column == "seed" else frame[column] == ""
            frame = frame[missing | frame[column].isin(list(keep))]
    return frame


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return hyper-parameters as "beta=4, gamma=0.5", sorted by name, no digit lost."""
    return ", ".join(f"{name}={_setting(settings[name])}" for name in sorted(settings))


def suffix(path: Path, known: Sequence[str]) -> str:
    """Return the suffix of `path`; UserError if no such file is ever written."""
    if path.suffix.lower() not in known:
        raise UserError(f"cannot write {path}: its suffix must be one of {', '.join(known)}")
    return path.suffix.lower()


def write_rows(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as CSV or Parquet; UserError for another suffix."""
    kind = suffix(path, NUMBERS)
    with written(path) as temporary:
        if kind == ".csv":
            frame.to_csv(temporary, index=False, lineterminator="\n")
        else:
            frame.to_parquet(temporary, index=False)


def as_json(frame: pd.DataFrame) -> str:
    """Return `frame` as a JSON array of records; missing numbers are null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return json.dumps(plain.to_dict("records"), indent=1, allow_nan=False)


def _read(found: Sequence[Folder]) -> pd.DataFrame:
    rows = [row for folder in found for row in _rows(folder)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _rows(folder: Folder) -> Iterator[dict[str, Any]]:
    state, reason, config, scores = folder.outcome()
    row = {name: "" if kind == "str" else None for name, kind in COLUMNS.items()}
    row |= {"folder": folder.name, "state": state, "reason": reason}
    row |= {} if config is None else _configuration(config)
    if scores is None or not scores["rows"]:
        yield row
        return
    for score in scores["rows"]:
        yield {**row, **{name: score[name] for name in SCORE}, "reason": score["reason"] or ""}


def _configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    run, versions = config["run"], config.get("versions", {})
    row = {name: run[name] for name in RUN}
    row |= {name: config[name] for name in ("sees", "representation", "key")}
    row |= {name: settings_text(run.get(name, {})) for name in ("settings", "defaults")}
    # What trained: "0.1.0, torch 2.15.0", or less if a run records less.
    parts = versions.get(PACKAGE), f"torch {versions['torch']}" if versions.get("torch") else ""
    version = ", ".join(str(part) for part in parts if part)
    return {**row, "method_version": run.get("version", 0), "version": version}


def _setting(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
