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
) -> None:
    """Measure training steps per second beside a plain float32 loop of the same network."""
    from benchmark.speed import Rounds, measure_all

    how_long = Rounds(parse.count("--rounds", rounds), parse.count("--warm", warm, 0))
    measure_all(methods, dataset, how_long, data_dir, device, json)
