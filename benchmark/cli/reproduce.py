"""`python -m benchmark reproduce`: the claims of papers."""

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, DataDir, Device, Out
from benchmark.config import parse
from benchmark.errors import UserError
from benchmark.registry import CLAIMS


def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(help="Names; all if none.")] = None,
    seeds: Annotated[str, typer.Option(help="Like 0-4 or 0,2,7.")] = "0-2",
    out: Out = RUNS,
    to: Annotated[
        Path | None, typer.Option(help="The CSV of results; results/reproduced.csv if not given.")
    ] = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    stored: Annotated[
        bool, typer.Option("--stored", help="Print what the CSV has, as Markdown; run nothing.")
    ] = False,
) -> None:
    """Run the studies that show what papers claim; exit code 1 if one does not hold."""
    from benchmark import comparison
    from benchmark.claims import reproduce as studies
    from benchmark.claims.base import Lab
    from benchmark.training import hardware

    names = parse.names(claims or "all", "claim", CLAIMS.names())
    chosen, where = parse.seeds(seeds), hardware.device(device)
    path = to or studies.REPRODUCED
    before = studies.stored(path)
    if stored and before.empty:
        raise UserError(f"there is no table of claims in {path}")
    if stored:
        print(studies.markdown(before[before["claim"].isin(names)]))
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
    raise typer.Exit(not rows["verdict"].eq("holds").all())
