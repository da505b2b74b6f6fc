"""One page that holds a whole study: `report.html`, which needs no network and no server."""

import base64
import io
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from benchmark.registry import UserError
from results import figures
from results.aggregate import REFERENCES, Record, records
from results.figures.base import Picture, estimates, read_or_say
from results.figures.sheets import tiled
from results.figures.style import paper
from results.figures.traversals import heading, sorted_traversal
from results.files import written
from results.provenance import commands, sources, versions
from results.store import Folder, Traversal
from results.study import Study

SHOWN = tuple(name for name in figures.FIGURES if name not in ("latents", "prior", "traversals"))
"""Figures of the page; what they leave out is in its viewer."""
RUNS = 24
"""Runs in the viewer."""
DPI = 110
LOSSLESS = 500_000
"""Bytes of images up to which a viewer's strips are kept bit for bit."""

Sources = Mapping[tuple[str, str], str]


def write(study: Study, path: Path, known: Sources) -> Path:
    """Write the page of a study and return its path.

    Args:
        study: the runs to show.
        path: the file, `report.html` for example.
        known: the source of ("method" or "dataset", name), for runs that do not say theirs.

    Raises:
        UserError: the file cannot be written.
    """
    # Text of run folders is a stranger's: the template escapes whatever it is given.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html.jinja").render(page(study, known))
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def page(study: Study, known: Sources) -> dict[str, Any]:
    """Return what the template shows."""
    runs = study.frame.drop_duplicates("folder")
    metrics = sorted(study.lines.loc[study.lines["metric"] != "", "metric"].unique())
    notes: dict[str, int] = {}
    return {
        "states": Counter(runs["state"]).most_common(),
        "studied": studied(runs),
        "metrics": metrics,
        "lines": table(study, metrics, notes),
        "notes": [*notes],
        "facts": {metric: study.facts[metric] for metric in metrics if metric in study.facts},
        "missing": missing(runs),
        "figures": [shown for shown in map(_figure, figures.pictures(study, SHOWN)) if shown],
        "viewer": [*_viewer(study)],
        "sources": sources(study, known),
        "commands": commands(study),
        "versions": versions(study),
    }


def studied(runs: pd.DataFrame) -> list[Record]:
    """Return a record per data set and method: dataset, method, done, all."""
    named = runs[runs["dataset"] != ""]
    done = named.assign(done=named["state"] == "done").groupby(["dataset", "method"])["done"]
    return records(done.agg(done="sum", all="size").reset_index())


def table(study: Study, metrics: Sequence[str], notes: dict[str, int]) -> list[Record]:
    """Return a record per line of the table: what was run, its seeds, and a cell per metric.

    A cell is `value` (the mean, or None), `text` ("0.301") and `more`, its 95 % interval. Where a
    seed has no value the text ends with the number in `notes` of the reason; new ones are added.
    """
    found = []
    for (dataset, line), rows in study.lines.groupby(["dataset", "line"], sort=False):
        first, runs = records(rows)[0], rows.drop_duplicates("folder")
        done = int((runs["state"] == "done").sum())
        cells = {
            str(metric): _cell(part, notes) for metric, part in rows.groupby("metric") if metric
        }
        nothing = {"value": None, "text": "", "more": ""}
        found.append(
            {
                "dataset": dataset,
                "line": str(line).replace("\n", ", "),
                "method": first["method"],
                "sees": first["sees"],
                "codes": first["representation"],
                "done": done,
                "all": len(runs),
                "reference": first["method"] in REFERENCES,
                "cells": [cells.get(metric, nothing) for metric in metrics],
            }
        )
    return sorted(found, key=lambda row: (row["dataset"], row["reference"]))


def _cell(rows: pd.DataFrame, notes: dict[str, int]) -> dict[str, Any]:
    values, mark = rows["value"].dropna(), ""
    if len(values) < len(rows):
        why = "; ".join(sorted(set(rows.loc[rows["value"].isna(), "reason"]) - {""}))
        number = notes.setdefault(why or "no reason was given", len(notes) + 1)
        mark = f" ({number})"
    if values.empty:
        return {"value": None, "text": f"-{mark}", "more": ""}
    (found,) = estimates([values.tolist()])
    more = "" if math.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}"
    return {"value": found.mean, "text": f"{found.mean:.3f}{mark}", "more": more}


def missing(runs: pd.DataFrame) -> list[Record]:
    """Return the runs that are not done, each with its state and reason."""
    columns = ["folder", "dataset", "method", "settings", "seed", "state", "reason"]
    found = runs.loc[runs["state"] != "done", columns].sort_values(["state", "folder"])
    return records(found.astype({"seed": "str"}))


def _figure(picture: Picture) -> dict[str, Any] | None:
    """Return a figure's name, its words, and its PNG; None if what it shows is damaged."""
    try:
        with paper():
            figure = picture.draw()
            bitmap = io.BytesIO()
            figure.savefig(bitmap, dpi=DPI, format="png")
    except UserError as error:
        print(f"left out: {picture.stem}: {error}", file=sys.stderr)
        return None
    image = Image.open(bitmap).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    title = picture.stem.replace("_", " ").replace("-", " ")
    uri, (width, height) = _uri(image, "PNG", optimize=True), image.size
    return {"title": title, "alt": picture.alt, "uri": uri, "width": width, "height": height}


def _viewer(study: Study) -> Iterator[dict[str, Any]]:
    """Yield the runs whose codes can be moved: their strips as one picture, a row per code."""
    for name in study.shown(RUNS, "traversal.h5")["folder"]:
        folder = study.folder(name)
        found = read_or_say(sorted_traversal, folder)
        if found is not None:
            yield _moving(folder, found)


def _moving(folder: Folder, found: Traversal) -> dict[str, Any]:
    _, steps, _, height, width = found.strips.shape
    lossless = found.strips.nbytes <= LOSSLESS
    sheet = Image.fromarray(tiled(found.strips, 0))
    return {
        "name": heading(folder),
        "title": found.title,
        "strips": _uri(sheet, "WEBP", lossless=lossless, quality=85),
        "steps": steps,
        "width": width,
        "height": height,
        "codes": [
            {"name": code, "values": [round(v, 3) for v in row[np.isfinite(row)].tolist()]}
            for code, row in zip(found.names, found.values, strict=True)
        ],
    }


def _uri(image: Image.Image, kind: str, **how: Any) -> str:
    file = io.BytesIO()
    image.save(file, kind, **how)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{text}"
