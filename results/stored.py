"""Stored runs: what runs found, in one Parquet file that outlives their folders.

A row per run and metric, as `tidy` has them, with the columns of `MORE`. The first row of a run has
its records, too, of which its folder is made again: without codes, pictures and weights.
"""

import atexit
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from benchmark.registry import GENERATOR, METRICS, UserError
from results.aggregate import LINE, REFERENCES, records, with_variants
from results.atomic import SCORES, written
from results.frame import COLUMNS, settings_text, tidy
from results.provenance import made_by
from results.runs import rows_of
from results.store import RUN_NAME, Folder

FILES = ("run.json", SCORES, "failure.json", "tracked.csv")
"""The records of a run, each in a column of its own; "" where there is none."""
MORE = {
    "side": "str",
    "training_seconds": "float64",
    "machine": "str",
    "versions": "str",
    "command": "str",
    **dict.fromkeys(FILES, "str"),
}


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a file, with the columns of `tidy` and of `MORE`; none without a file.

    Raises:
        UserError: it cannot be read, or is another kind of file.
    """
    if not path.exists():
        return pd.DataFrame(columns=[*COLUMNS, *MORE]).astype(COLUMNS | MORE)
    try:
        return pd.read_parquet(path)[[*COLUMNS, *MORE]].astype(COLUMNS | MORE)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise UserError(f"{path} is not a file of stored runs: {error}") from error


def add(path: Path, out: Path, names: Collection[str], study: Collection[str]) -> None:
    """Put runs into a file, in place of what it has of them. Who calls it holds the file's lock.

    Args:
        path: the file, which need not be there yet.
        out: the folder of run folders.
        names: of the runs' folders in `out`.
        study: of all runs of the study; others are removed from the file: an older version of a
            method is no longer a method of the study.

    Raises:
        UserError: a file cannot be read or written.
    """
    before = read(path)
    old = ~before["folder"].isin([*study])
    if old.any():
        number = before.loc[old, "folder"].nunique()
        print(f"{path}: {number} runs that the study no longer has are removed", file=sys.stderr)
    kept = before[~old & ~before["folder"].isin([*names])]
    frame = pd.concat([kept, _rows(out, names)]).sort_values("folder", kind="stable")
    with written(path) as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")


def _rows(out: Path, names: Collection[str]) -> pd.DataFrame:
    rows = tidy(out)
    rows = rows[rows["folder"].isin([*names])]
    of_generator = rows["metric"].str.endswith(GENERATOR)
    rows = rows.assign(side=of_generator.map({True: "generator", False: "encoder"}))
    found = pd.DataFrame([_recorded(Folder(out / name)) for name in rows["folder"].unique()])
    rows = rows.merge(found, on="folder")
    rows.loc[rows.duplicated("folder"), [*FILES]] = ""
    return rows.astype(COLUMNS | MORE)


def _recorded(folder: Folder) -> dict[str, Any]:
    config, scores = folder.config, folder.scores
    files = {name: folder.path / name for name in FILES}
    texts = {name: file.read_text() if file.exists() else "" for name, file in files.items()}
    if scores is not None:
        texts[SCORES] = json.dumps({**scores, "kept": "scores"})
    return {
        "folder": folder.name,
        "training_seconds": (scores or {"train": {}})["train"].get("seconds"),
        "machine": settings_text(config.get("machine", {})),
        "versions": settings_text(config.get("versions", {})),
        "command": made_by(folder),
        **texts,
    }


def unpack(path: Path, out: Path) -> None:
    """Make the folders of a file's runs in `out`; UserError if it is another kind of file."""
    for run in records(read(path).drop_duplicates("folder")):
        name = str(run["folder"])
        if not RUN_NAME.fullmatch(name) or "/" in name:
            raise UserError(f"{path} is not a file of stored runs: {name!r} is not a run's name")
        (out / name).mkdir(parents=True)
        for file in filter(run.get, FILES):
            (out / name / file).write_text(run[file])


def opened(out: Path) -> Path:
    """Return a folder of run folders: `out`, or one of a file's runs until this process ends."""
    if not out.is_file():
        return out
    folder = Path(tempfile.mkdtemp(prefix=f"{out.stem}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    unpack(out, folder)
    return folder


def faults(path: Path) -> list[str]:
    """Return why a file's runs cannot be compared, a line each; none if they can.

    Each run says by which versions and on which machine it was made, the columns are what its
    records say, every protocol is one that a registered metric has now, no seed is there twice,
    all runs have one precision, and each data set has its floor and its ceiling.
    """
    frame = read(path)
    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder))
        same = tidy(Path(folder)).equals(frame[[*COLUMNS]].reset_index(drop=True))
    wrong = [] if same else ["the columns are not what the records say"]
    checks = _unversioned, _unknown_protocols, _repeated_seeds, _mixed, _without_references
    return [*wrong, *(fault for check in checks for fault in check(frame))]


def _unversioned(frame: pd.DataFrame) -> Iterator[str]:
    said = (frame[["versions", "machine", "command"]] != "").all(axis=1)
    for name in frame.loc[~said | (frame["method_version"] < 1), "folder"].unique():
        yield f"{name} does not say by which versions, on which machine or how it was made"


def _unknown_protocols(frame: pd.DataFrame) -> Iterator[str]:
    known = {
        row: METRICS[name].facts["protocol"] for name in METRICS.names() for row in rows_of(name)
    }
    scored = frame[frame["metric"] != ""].drop_duplicates(["metric", "protocol"])
    for metric, protocol in zip(scored["metric"], scored["protocol"], strict=True):
        if known.get(metric) != re.split("/rows=|, factors ", protocol)[0]:
            yield f"{metric} was scored by {protocol}, and is by {known.get(metric)} now"


def _repeated_seeds(frame: pd.DataFrame) -> Iterator[str]:
    runs = with_variants(frame).drop_duplicates("folder")
    for name in runs.loc[runs.duplicated([*LINE, "seed"]), "folder"]:
        yield f"{name} has the seed of another run of its line"


def _mixed(frame: pd.DataFrame) -> Iterator[str]:
    if len(there := sorted(frame["precision"].unique())) > 1:
        yield f"several precisions: {', '.join(there)}"


def _without_references(frame: pd.DataFrame) -> Iterator[str]:
    done = frame[frame["state"] == "done"]
    for dataset in sorted(frame["dataset"].unique()):
        there = done.loc[done["dataset"] == dataset, "method"]
        for name in sorted(REFERENCES.keys() - {*there}):
            yield f"{dataset} has no {REFERENCES[name]}: no run of {name}"
