"""`python -m benchmark data`: the commands on data sets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.listing import print_lines
from benchmark.cli.options import DataDir
from benchmark.config import parse
from benchmark.registry import DATASETS, METHODS, METRICS, UserError

data = typer.Typer(help="List, fetch, check and show data sets.", no_args_is_help=True)


@data.command(name="list")
def data_list(data_dir: DataDir = None) -> None:
    """List data sets: size, factors, licence, and what of them is here."""
    from datasets import inventory

    lines = []
    for name in DATASETS.names():
        facts = DATASETS[name].facts
        lines.append(
            [
                name,
                f"{facts['images']:,}",
                inventory.factors(name),
                "x".join(map(str, facts["spec"].shape)) if facts.get("spec") else "-",
                inventory.megabytes(name),
                _licence(name),
                inventory.state(name, data_dir),
            ]
        )
    print_lines(("name", "images", "factors", "size", "MB", "licence", "here"), lines)


def _licence(name: str) -> str:
    return str(DATASETS[name].facts.get("licence", "not stated"))


@data.command(name="about")
def data_about(name: str, data_dir: DataDir = None) -> None:
    """Print a data set's source, files and checksums, and what does not apply to it."""
    from benchmark.config.applicable import misfit, unscored
    from benchmark.config.score import Score
    from datasets import downloads, inventory

    entry, path = DATASETS[name], inventory.packed(name)
    print(f"{name}: {entry.source}")
    print(f"images: {entry.facts['images']:,}; licence: {_licence(name)}")
    print(f"factors: {inventory.factors(name)}")
    for one in inventory.files(name):
        published = f"not here; published at {' or '.join(one.urls) or '-'}"
        where = downloads.find(name, one, data_dir) or published
        print(f"file {one.name}: {where}; MD5 {one.md5 or 'not published'}")
    if path is not None:
        print(f"packed file: {path}{'' if path.is_file() else ', not there yet'}")
    if (spec := entry.facts.get("spec")) is not None:
        for method in METHODS.names():
            if why := misfit(method, spec):
                print(f"method {method}: {why}")
        for metric in METRICS.names():
            if why := unscored(Score(metric), spec):
                print(f"metric {metric}: {why}")


@data.command(name="get")
def data_get(names: list[str], data_dir: DataDir = None) -> None:
    """Fetch and pack data sets, so that runs need no network; on a cluster, on the login node."""
    from datasets.inventory import get

    failures = []
    for line, failed in get(parse.names(names, "data set", DATASETS.names()), data_dir):
        if failed:
            failures.append(line)
        else:
            print(line)
    if failures:
        raise UserError("; ".join(failures))


@data.command(name="check")
def data_check(
    names: Annotated[
        list[str] | None, typer.Argument(help="All of which there is a file, if not given.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Verify all files of data sets that are here; exit code 1 if one is damaged."""
    from datasets.inventory import check, here

    chosen = parse.names(names, "data set", DATASETS.names()) if names else here(data_dir)
    found = list(check(chosen, data_dir))
    print("\n".join(line for _, line in found))
    raise typer.Exit(not all(intact for intact, _ in found))


@data.command(name="path")
def data_path() -> None:
    """Print the folder where data sets are kept."""
    from datasets.packed_file import root

    print(root())


@data.command(name="show")
def data_show(
    name: str,
    to: Annotated[Path | None, typer.Option(help="NAME.png if not given.")] = None,
    seed: int = 0,
    data_dir: DataDir = None,
) -> None:
    """Draw a contact sheet: one row per factor, in which only that factor varies."""
    from benchmark.evaluation.contact_sheet import draw

    path = draw(name, data_dir, to or Path(f"{name}.png"), seed)
    print(f"wrote {path.resolve()}", file=sys.stderr)
