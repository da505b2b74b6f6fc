"""The command line: `python -m benchmark run --methods infogan,betavae`.

Only the commands that train import torch: a laptop can draw what a cluster computed.
"""

import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.cli.cite import cite, registered_sources
from benchmark.cli.data import data
from benchmark.cli.options import AsJson, Factors, Names, Out, Scores, Side, StudyName, Supervision
from benchmark.cli.run import run, status
from benchmark.config import parse
from benchmark.exit_code import exit_with
from benchmark.registry import CLAIMS, DATASETS, METHODS, METRICS, Registry, UserError

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
        from benchmark.registry import unknown

        raise unknown("kind", kind, [*rooms, "studies", "all"])
    from results.terminal import console

    screen = console()
    for room, registry in rooms.items():
        if kind in (room, "all"):
            _list(screen, room, registry)
    if kind in ("studies", "all"):
        _list_studies(screen)


def _list_studies(console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from benchmark.config.study import find, names

    columns = ["name", "what", "source"]
    table = Table(*columns, title="studies", title_justify="left", box=box.SIMPLE)
    for study in map(find, names()):
        texts = (study.name, study.title, study.source)
        table.add_row(*(Text(text, overflow="fold") for text in texts))
    console.print(table)


def _list(console: Console, room: str, registry: Registry[object]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    more = {"methods": ["sees"], "claims": ["minutes"]}.get(room, [])
    columns = ["name", "what", *more, "source"]
    table = Table(*columns, title=room, title_justify="left", box=box.SIMPLE)
    for name in registry.names():
        entry = registry[name]
        what = entry.facts.get("says") or (entry.value.__doc__ or "").strip().splitlines()[0]
        told = [str(entry.facts.get(c) or getattr(entry.value, c)) for c in more]
        texts = (name, what, *told, entry.source)
        table.add_row(*(Text(text, overflow="fold") for text in texts))
    console.print(table)


@app.command()
def table(
    out: Out = Path("runs"),
    study: StudyName = None,
    methods: Names = None,
    datasets: Names = None,
    metrics: Names = None,
    seeds: Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; all if not given.")] = None,
    sees: Supervision = None,
    to: Annotated[
        list[Path] | None,
        typer.Option(help="Write the table there, too: .tex, .md, .csv, .parquet; repeatable."),
    ] = None,
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
        from benchmark.cluster.launch import states_of_study

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
    to: Annotated[
        list[Path] | None,
        typer.Option(help="Write the table there, too: .tex, .md, .csv, .parquet; repeatable."),
    ] = None,
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
    seeds: Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; all if not given.")] = None,
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
    seeds: Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; all if not given.")] = None,
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


@app.command()
def speed(
    methods: Annotated[str, typer.Option(help="Comma-separated names, or all.")] = "all",
    dataset: Annotated[str, typer.Option(help="The data set that batches come from.")] = "dsprites",
    rounds: Annotated[str, typer.Option(help="Rounds of each; the median is reported.")] = "7",
    warm: Annotated[str, typer.Option(help="Steps before the first round.")] = "300",
    data_dir: Annotated[Path | None, typer.Option(help="Where you keep original files.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: AsJson = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Measure scoring and encoding of dSprites instead.")
    ] = False,
) -> None:
    """Measure training steps per second beside a plain float32 loop of the same network."""
    from benchmark.speed import training

    if metrics:
        from benchmark.speed.bars import table as lines
        from benchmark.speed.metrics import measure
        from results.terminal import console

        found = list(measure(data_dir))
        console().print(lines(found))
        raise typer.Exit(not all(one.holds for one in found))
    turns = training.Rounds(parse.count("--rounds", rounds), parse.count("--warm", warm, 0))
    training.measure_all(methods, dataset, turns, data_dir, device, json)


@app.command()
def score(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs.")] = None,
    codes: Annotated[
        list[Path] | None,
        typer.Option(
            help="An .npy of (N, L) numbers, an .npz (codes, index or factors, std) or a .pt of "
            "tensors; repeatable."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="The data set that --codes without factors are of.")
    ] = "dsprites",
    metrics: Scores = None,
    side: Side = "encoder",
    factors: Factors = "all",
    json: Annotated[Path | None, typer.Option(help="Write the scores there.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of --codes.")] = 0,
    reference: Annotated[bool, typer.Option(help="Score floor and ceiling beside --codes.")] = True,
    data_dir: Annotated[Path | None, typer.Option(help="Where you keep original files.")] = None,
) -> None:
    """Score codes that are there: finished runs', without the model, or any other program's."""
    from functools import cache

    from benchmark.config.score import Scoring
    from benchmark.evaluation import external_codes
    from benchmark.evaluation import score as scores
    from datasets import load
    from results.files import write_json
    from results.store import Folder
    from results.terminal import console

    if bool(runs) == bool(codes):
        raise UserError("score needs either folders of runs or --codes FILE")
    if codes and side != "encoder":
        raise UserError(f"--side {side} is of runs: --codes FILE has no generator")
    if codes:
        usual = external_codes.usual_without_c1()
        chosen = Scoring(metrics, factors=factors).scores(default=usual)
        images = cache(lambda: load(dataset, data_dir))
        found = dict(external_codes.score_files(codes, images, chosen, seed, reference))
    else:
        chosen = Scoring(metrics, side, factors).scores()
        found = {run.name: scores.again(Folder(run), chosen, data_dir) for run in runs or []}
    console().print(scores.table(found))
    for said in scores.reasons(found):
        print(said, file=sys.stderr)
    if json is not None:
        write_json(json, scores.as_json(found))
        print(f"wrote {json}", file=sys.stderr)


@app.command()
def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(help="Names; all if none.")] = None,
    seeds: Annotated[str, typer.Option(help="Like 0-4 or 0,2,7.")] = "0-2",
    out: Out = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="The CSV of results; results/reproduced.csv if not given.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where you keep original files.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    stored: Annotated[
        bool, typer.Option("--stored", help="Print what the CSV holds, as Markdown; make nothing.")
    ] = False,
) -> None:
    """Make the studies that show what papers claim; exit code 1 if one does not hold."""
    from benchmark import comparison
    from benchmark.claims import reproduce as studies
    from benchmark.claims.base import Lab
    from benchmark.training import hardware

    names = parse.names(claims or "all", "claim", CLAIMS.names())
    chosen, where = parse.seeds(seeds), hardware.device(device)
    path = to or studies.REPRODUCED
    before = studies.stored(path)
    if stored and not before:
        raise UserError(f"there is no table of claims in {path}")
    if stored:
        print(studies.markdown([row for row in before if row["claim"] in names]))
        return
    minutes = len(chosen) * sum(CLAIMS[name].facts["minutes"] for name in names)
    print(
        f"about {math.ceil(minutes)} minutes on two cores, less what is trained already",
        file=sys.stderr,
    )
    with comparison.stoppable() as stop:
        rows = studies.reproduce(names, chosen, Lab(out, where, data_dir, stop), path)
    studies.show(rows)
    print(f"wrote {path}", file=sys.stderr)
    if studies.failed(rows):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line: a user's error is one line and exit code 2."""
    exit_with(lambda: app(standalone_mode=False))
