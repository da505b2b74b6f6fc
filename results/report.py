"""One page of the runs in a folder: `report.html`, which needs no network and no server."""

import base64
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from benchmark.registry import UserError
from results import figures
from results.aggregate import Record, records
from results.arrays import Traversal
from results.atomic import write_text
from results.figures.base import Picture, read_or_say
from results.figures.image_grid import tiled
from results.figures.style import paper
from results.figures.traversals import heading, sorted_traversal
from results.provenance import commands, sources, versions
from results.runs import Runs
from results.significance import compared
from results.store import Folder
from results.table import Cell, tables

RUNS = 24
"""Runs in the viewer."""
DPI = 110
LOSSLESS = 500_000
"""Bytes of images up to which a viewer's strips are kept bit for bit."""

Sources = Mapping[tuple[str, str], str]


def write(runs: Runs, path: Path, known: Sources) -> Path:
    """Write the page of these runs and return its path.

    Args:
        runs: what it is of.
        path: the file, `report.html` for example.
        known: the source of ("method" or "dataset", name), for runs that do not record theirs.

    Raises:
        UserError: the file cannot be written.
    """
    # Text of run folders is not trusted: the template escapes whatever it is given.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_text(path, environment.get_template("report.html.jinja").render(page(runs, known)))
    return path


def page(runs: Runs, known: Sources) -> dict[str, Any]:
    """Return what the template is filled with."""
    each = runs.frame.drop_duplicates("folder").replace({"state": {"broken": "failed"}})
    every = [table for table in tables(runs.frame, compared(runs.frame, {})) if table.dataset]
    metrics = sorted({metric for table in every for metric in table.metrics})
    # The traversals of single runs are in the page's viewer.
    found = figures.pictures(runs, figures.known(per_run=False))
    return {
        "states": Counter(each["state"]).most_common(),
        "studied": studied(each),
        "metrics": metrics,
        "tables": every,
        "footnotes": list(dict.fromkeys(text for table in every for text in table.footnotes)),
        "empty": Cell(),
        "facts": {metric: runs.facts[metric] for metric in metrics if metric in runs.facts},
        "missing": missing(each),
        "figures": [drawn for drawn in map(_figure, found) if drawn],
        "viewer": [*_viewer(runs)],
        "sources": sources(runs, known),
        "commands": commands(runs),
        "versions": versions(runs),
    }


def studied(runs: pd.DataFrame) -> list[Record]:
    """Return a record per data set and method: dataset, method, done, all."""
    named = runs[runs["dataset"] != ""]
    done = named.assign(done=named["state"] == "done").groupby(["dataset", "method"])["done"]
    return records(done.agg(done="sum", all="size").reset_index())


def missing(runs: pd.DataFrame) -> list[Record]:
    """Return the runs that are not done, each with its state and reason."""
    found = runs[runs["state"] != "done"].sort_values(["state", "folder"])
    return records(found[["folder", "settings", "state", "reason"]])


def _figure(picture: Picture) -> dict[str, Any] | None:
    """Return a figure's name, its alternative text and PNG; None if it cannot be read."""
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


def _viewer(runs: Runs) -> Iterator[dict[str, Any]]:
    """Yield the runs whose codes can be moved: their strips as one picture, a row per code."""
    for name in runs.some(RUNS, Traversal)["folder"]:
        folder = runs.folder(name)
        found = read_or_say(partial(sorted_traversal, folder))
        if found is not None:
            yield _moving(folder, found)


def _moving(folder: Folder, found: Traversal) -> dict[str, Any]:
    _, steps, _, height, width = found.strips.shape
    lossless = found.strips.nbytes <= LOSSLESS
    strips = Image.fromarray(tiled(found.strips, 0))
    return {
        "name": heading(folder),
        "title": found.title,
        "strips": _uri(strips, "WEBP", lossless=lossless, quality=85),
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
