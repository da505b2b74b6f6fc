"""`python -m benchmark table`, `best`, `plot`, `report` and `cite`: on runs that are done."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import (
    RUNS,
    AsJson,
    Cost,
    Found,
    Names,
    Selection,
    StudyName,
    Supervision,
    To,
    expanded,
)
from benchmark.config import parse
from benchmark.registry import DATASETS, METHODS, UserError

if TYPE_CHECKING:
    import pandas as pd


@expanded
def table(
    runs: Selection,
    study: StudyName = None,
    to: To = None,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", "--csv", help="Write each run's scores there: .csv, .parquet."),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Put published numbers beside, with their sources.")
    ] = False,
    train: Annotated[
        bool, typer.Option(help="What training cost and where losses ended, instead of scores.")
    ] = False,
    better_half: Annotated[
        bool,
        typer.Option("--better-half", help="Means of the better half of the seeds, too."),
    ] = False,
    x: Cost = None,
    json: AsJson = False,
) -> None:
    """Print the table of the runs in a folder."""
    from results.better_half import with_better_half
    from results.frame import write_rows
    from results.output import beside_references, directions, print_table, print_trained
    from results.training_costs import COSTS, with_cost

    frame = runs.rows()
    if study is not None:
        from benchmark.cluster.status import states_of_study

        states = states_of_study(study, runs.folder)
        frame = beside_references(frame, [one.run for one in states])
    if rows is not None:
        write_rows(rows, frame)
        print(f"scores: {rows}", file=sys.stderr)
    if train:
        print_trained(frame, runs.folder, json)
    else:
        if better_half:
            frame = with_better_half(frame, directions())
        if x is not None:
            frame = with_cost(frame, runs.folder, parse.one_of("cost", x, [*COSTS]))
        print_table(frame, json, to or [], published)
    if study is not None and not json:
        from benchmark.cluster.status import sentence

        print(sentence(states))


def best(
    by: Annotated[
        str, typer.Option(help="A metric; or udr, udr_spearman, which see no labels.")
    ] = "udr",
    select: Annotated[
        str | None, typer.Option(help="Seeds that choose, like 0-4; the first half if not given.")
    ] = None,
    out: Found = RUNS,
    methods: Names = None,
    datasets: Names = None,
    sees: Supervision = None,
    to: To = None,
    json: AsJson = False,
) -> None:
    """Choose hyper-parameters per method on some seeds, and report them on the others."""
    from benchmark.evaluation import selection

    runs = Selection(out, methods, datasets, sees=sees)
    frame = runs.rows()
    selection.show(
        frame, runs.folder, by, None if select is None else parse.seeds(select), json, to or []
    )


@expanded
def plot(
    runs: Selection,
    to: Annotated[
        Path | None, typer.Option(help="Where to write; <out>/figures if not given.")
    ] = None,
    figures: Annotated[
        str | None, typer.Option(help="Comma-separated names of figures; all if not given.")
    ] = None,
    x: Cost = None,
) -> None:
    """Draw figures of the runs in a folder: scores, correlations, ranks, traversals and more."""
    from results.figures import chosen
    from results.output import draw, say_broken
    from results.training_costs import COSTS

    wanted = chosen("cost" if x and figures is None else figures)
    over = parse.one_of("cost", x or "seconds", [*COSTS])
    folder, frame = to or runs.place / "figures", runs.rows()
    say_broken(frame)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*")}
    paths = draw(frame, runs.folder, folder, wanted, over)
    for path in paths:
        print(path)
    if replaced := [p for p in paths if p in before and p.stat().st_mtime_ns != before[p]]:
        files = f"{len(replaced)} files in {folder}"
        print(f"replaced {files}; --to FOLDER would keep both", file=sys.stderr)


@expanded
def report(
    runs: Selection,
    to: Annotated[
        Path | None, typer.Option(help="The page; <out>/report.html if not given.")
    ] = None,
) -> None:
    """Write one page of the runs in a folder: table, figures, sliders over codes, sources."""
    from results import report as pages
    from results.frame import suffix
    from results.runs import Runs

    page = to or runs.place / "report.html"
    suffix(page, [".html"])
    frame = runs.rows()
    print(pages.write(Runs(runs.folder, frame), page, _registered_sources(frame)))


@expanded
def cite(runs: Selection) -> None:
    """Print BibTeX of the methods, data sets and metrics that the runs in a folder used."""
    from results.citations import bibtex
    from results.provenance import sources
    from results.runs import Runs

    frame = runs.rows()
    print(bibtex(sources(Runs(runs.folder, frame), _registered_sources(frame))))


def _registered_sources(frame: "pd.DataFrame") -> dict[tuple[str, str], str]:
    """Return the sources of what runs used, as far as it is registered here."""
    found = {}
    for kind, registry in (("method", METHODS), ("dataset", DATASETS)):
        for name in set(frame[kind]) - {""}:
            # A page can be made where torch, without which no method is known, is not installed.
            with suppress(UserError, ImportError):
                found[kind, name] = registry[name].source
    return found
