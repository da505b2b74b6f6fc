"""The command line: `python -m benchmark run --methods infogan,betavae`.

Only the commands that train import torch: a laptop can draw what a cluster computed.
"""

import typer

from benchmark.cli.data import data
from benchmark.cli.listing import list_
from benchmark.cli.reproduce import reproduce
from benchmark.cli.results import best, cite, plot, report, table
from benchmark.cli.run import run, status
from benchmark.cli.score import score
from benchmark.cli.speed import speed
from benchmark.exit_code import exit_with

app = typer.Typer(
    name="benchmark",
    help="Train, score and compare methods for learning disentangled representations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.command(name="list")(list_)
for command in (run, status, table, best, plot, report, cite, speed, score, reproduce):
    app.command()(command)


def main() -> None:
    """Run the command line: a user's error is one line and exit code 2."""
    exit_with(lambda: app(standalone_mode=False))
