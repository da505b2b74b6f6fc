"""One row per run and metric: what every table, figure and file of results starts from."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.registry import PACKAGE, UserError
from results.files import written
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


def tidy(
    out: Path,
    *,
    datasets: Collection[str] = (),
    methods: Collection[str] = (),
    metrics: Collection[str] = (),
    seeds: Collection[int] = (),
) -> pd.DataFrame:
    """Return one row per run and metric, of the runs in `out` by folder name.

    A run without scores has one row: no metric, value NaN, its state and the reason. A run whose
    `run.json` cannot be read names no data set and no method, and passes every filter. Text that is
    missing is "", `seconds` is what the metric took, `images` how many it looked at; `settings` are
    the hyper-parameters that are not the method's `defaults`, `version` is the code that trained,
    `method_version` the method's own, 0 where a run does not say it.

    Args:
        out: the folder of run folders.
        datasets, methods, metrics, seeds: keep only these; empty keeps all.
    """
    frame = only(
        collected(Path(out), folders(out), _read),
        {"dataset": datasets, "method": methods, "metric": metrics, "seed": seeds},
    )
    return frame.reset_index(drop=True)


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


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write `frame` as CSV; `read_csv` returns it unchanged."""
    with written(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """Read what `write_csv` wrote of `tidy`; UserError if it is something else."""
    blank = {name: [""] for name, kind in COLUMNS.items() if kind != "str"}
    try:
        frame = pd.read_csv(
            path,
            dtype=COLUMNS,
            keep_default_na=False,
            na_values=blank,
        )
        return frame[list(COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def as_json(frame: pd.DataFrame) -> str:
    """Return `frame` as a JSON array of records; missing numbers are null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return json.dumps(plain.to_dict("records"), indent=1, allow_nan=False)


def _read(found: Sequence[Folder]) -> pd.DataFrame:
    rows = [row for folder in found for row in _rows(folder)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _rows(folder: Folder) -> Iterator[dict[str, Any]]:
    state, reason, asked, scores = folder.account()
    row = {name: "" if kind == "str" else None for name, kind in COLUMNS.items()}
    row |= {"folder": folder.name, "state": state, "reason": reason}
    if asked is not None:
        row |= _asked(asked)
    if scores is None or not scores["rows"]:
        yield row
        return
    for score in scores["rows"]:
        told = {name: score[name] for name in ("metric", "value", "protocol", "seconds", "images")}
        yield {**row, **told, "reason": score["reason"] or ""}


def _asked(asked: Mapping[str, Any]) -> dict[str, Any]:
    run = asked["run"]
    told = {name: run[name] for name in ("dataset", "method", "seed", "steps")}
    told |= {name: run[name] for name in ("budget", "precision")}
    told |= {name: asked[name] for name in ("sees", "representation", "key")}
    told["method_version"] = run.get("version", 0)
    told |= {name: settings_text(_record(run.get(name))) for name in ("settings", "defaults")}
    return {**told, "version": _version(_record(asked.get("versions")))}


def _record(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _version(versions: Mapping[str, Any]) -> str:
    """Return what trained: "0.1.0, torch 2.15.0", or less if a run says less."""
    ours, torch = versions.get(PACKAGE), versions.get("torch")
    return ", ".join([*([str(ours)] if ours else []), *([f"torch {torch}"] if torch else [])])


def _setting(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
