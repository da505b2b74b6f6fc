"""`python -m benchmark speed`."""

from typing import Annotated

import typer

from benchmark.cli.options import AsJson, DataDir, Device, StudyName
from benchmark.config import parse

METHODS = "Comma-separated names; all, or those of the study."
DATASET = "The data set that batches come from; dsprites, or those of the study."
WHOLE = "What whole runs at the paper's budget take instead: training, encoding, scoring."


def speed(
    methods: Annotated[str | None, typer.Option(help=METHODS)] = None,
    dataset: Annotated[str | None, typer.Option(help=DATASET)] = None,
    whole: Annotated[bool, typer.Option("--whole", help=WHOLE)] = False,
    study: StudyName = None,
    rounds: Annotated[str, typer.Option(help="Rounds of each; the median is reported.")] = "7",
    warm: Annotated[str, typer.Option(help="Steps before the first round.")] = "300",
    data_dir: DataDir = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Measure training steps per second beside a plain loop, or what whole runs or a study take."""
    from benchmark.config.study import find
    from benchmark.speed.timing import Rounds
    from benchmark.speed.training import measure_all

    how_long = Rounds(parse.count("--rounds", rounds), parse.count("--warm", warm, 0))
    given = methods or "all", dataset or "dsprites"
    if study is None and not whole:
        measure_all(*given, how_long, data_dir, device, json)
        return
    from benchmark.speed.whole import at_paper_budget, measure_study

    runs = find(study).part(methods, dataset, None) if study else at_paper_budget(*given)
    measure_study(runs, how_long, data_dir, device, json)
