"""The command line: `python -m benchmark run --methods infogan,betavae`.

Only the commands that train import torch: a laptop can draw what a cluster computed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.cite import cite, registered_sources
from benchmark.cli.data import data
from benchmark.cli.options import AsJson, Names, Out, Seeds, StudyName, Supervision, To
from benchmark.cli.reproduce import reproduce
from benchmark.cli.run import run, status
from benchmark.cli.score import score
from benchmark.cli.speed import speed
from benchmark.config import parse
from benchmark.errors import unknown
from benchmark.exit_code import exit_with
from benchmark.registry import CLAIMS, DATASETS, METHODS, METRICS, Entry, Registry

app = typer.Typer(
    name="benchmark",
    help="Train, score and compare methods for learning disentangled representations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.command()(run)
app.command()(status)
app.command()(cite)


@app.command(name="list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, datasets, metrics, claims, studies or all.")
    ] = "all",
) -> None:
    """List methods, data sets, metrics, claims and studies with their sources."""
    rooms: dict[str, Registry[object]] = {
        "methods": METHODS,
        "datasets": DATASETS,
        "metrics": METRICS,
        "claims": CLAIMS,
    }
    if kind not in (*rooms, "studies", "all"):
        raise unknown("kind", kind, [*rooms, "studies", "all"])
    for room, registry in rooms.items():
        if kind in (room, "all"):
            more = {"methods": ["sees"], "claims": ["minutes"]}.get(room, [])
            lines = [_line(registry[name], more) for name in registry.names()]
            _print(room, ["name", "what", *more, "source"], lines)
    if kind in ("studies", "all"):
        from benchmark.config.study import find, names

        lines = [[study.name, study.title, study.source] for study in map(find, names())]
        _print("studies", ["name", "what", "source"], lines)


def _line(entry: Entry[object], more: Sequence[str]) -> list[str]:
    what = entry.facts.get("says") or (entry.value.__doc__ or "").strip().splitlines()[0]
    told = [str(entry.facts.get(name) or getattr(entry.value, name)) for name in more]
    return [entry.name, what, *told, entry.source]


def _print(title: str, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from results.terminal import console

    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE)
    for line in lines:
        table.add_row(*(Text(text, overflow="fold") for text in line))
    console().print(table)


@app.command()
def table(
    out: Out = Path("runs"),
    study: StudyName = None,
    methods: Names = None,
    datasets: Names = None,
    metrics: Names = None,
    seeds: Seeds = None,
    sees: Supervision = None,
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
    json: AsJson = False,
) -> None:
    """Print the table of the runs in a folder."""
    from results.frame import write_rows
    from results.output import chosen, print_table, print_trained

    frame = chosen(out, methods, datasets, metrics, seeds, sees)
    if study is not None:
        from benchmark.cluster.status import states_of_study

        found = states_of_study(study, out)
        frame = frame[frame["folder"].isin([one.run for one in found])]
    if rows is not None:
        write_rows(rows, frame)
        print(f"scores: {rows}", file=sys.stderr)
    if train:
        print_trained(frame, out, json)
    else:
        print_table(frame, json, to or [], published)
    if study is not None and not json:
        from benchmark.cluster.status import sentence

        print(sentence(found))


@app.command()
def best(
    by: Annotated[
        str, typer.Option(help="A metric; or udr, udr_spearman, which see no labels.")
    ] = "udr",
    select: Annotated[
        str | None, typer.Option(help="Seeds that choose, like 0-4; the first half if not given.")
    ] = None,
    out: Out = Path("runs"),
    methods: Names = None,
    datasets: Names = None,
    sees: Supervision = None,
    to: To = None,
    json: AsJson = False,
) -> None:
    """Choose hyper-parameters per method on some seeds, and report them on the others."""
    from benchmark.evaluation import selection
    from results.output import chosen

    frame = chosen(out, methods, datasets, None, None, sees)
    selection.show(frame, out, by, None if select is None else parse.seeds(select), json, to or [])


@app.command()
def plot(
    out: Out = Path("runs"),
    methods: Names = None,
    datasets: Names = None,
    metrics: Names = None,
    seeds: Seeds = None,
    sees: Supervision = None,
    to: Annotated[
        Path | None, typer.Option(help="Where to write; <out>/figures if not given.")
    ] = None,
    figures: Annotated[
        str | None, typer.Option(help="Comma-separated names of figures; all if not given.")
    ] = None,
) -> None:
    """Draw figures of the runs in a folder: scores, correlations, ranks, traversals and more."""
    from results.figures import chosen as kinds
    from results.output import chosen, draw

    wanted = kinds(figures)
    frame = chosen(out, methods, datasets, metrics, seeds, sees)
    for path in draw(frame, out, to or out / "figures", wanted):
        print(path)


@app.command()
def report(
    out: Out = Path("runs"),
    methods: Names = None,
    datasets: Names = None,
    metrics: Names = None,
    seeds: Seeds = None,
    sees: Supervision = None,
    to: Annotated[
        Path | None, typer.Option(help="The page; <out>/report.html if not given.")
    ] = None,
) -> None:
    """Write one page of the runs in a folder: table, figures, sliders over codes, sources."""
    from results import report as pages
    from results.output import chosen
    from results.runs import Runs

    runs = Runs(out, chosen(out, methods, datasets, metrics, seeds, sees))
    print(pages.write(runs, to or out / "report.html", registered_sources(runs.frame)))


for command in (speed, score, reproduce):
    app.command()(command)


def main() -> None:
    """Run the command line: a user's error is one line and exit code 2."""
    exit_with(lambda: app(standalone_mode=False))
