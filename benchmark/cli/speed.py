"""`python -m benchmark speed`."""

from typing import Annotated

import typer

from benchmark.cli.options import AsJson, DataDir, Device
from benchmark.config import parse


def speed(
    methods: Annotated[str, typer.Option(help="Comma-separated names, or all.")] = "all",
    dataset: Annotated[str, typer.Option(help="The data set that batches come from.")] = "dsprites",
    rounds: Annotated[str, typer.Option(help="Rounds of each; the median is reported.")] = "7",
    warm: Annotated[str, typer.Option(help="Steps before the first round.")] = "300",
    data_dir: DataDir = None,
    device: Device = "auto",
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
