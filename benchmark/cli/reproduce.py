"""`python -m benchmark reproduce`: the claims of papers."""

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
    seeds: Annotated[
        str | None, typer.Option(help="Like 0-4 or 0,2,7; as many as each claim asks for.")
    ] = None,
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
    from benchmark.claims.expected import stands
    from benchmark.training import hardware

    names = parse.names(claims or "all", "claim", CLAIMS.names())
    chosen = None if seeds is None else parse.seeds(seeds)
    where = hardware.device(device)
    path = to or studies.REPRODUCED
    before = studies.stored(path)
    if stored and before.empty:
        raise UserError(f"there is no table of claims in {path}")
    if stored:
        print(studies.markdown(before[before["claim"].isin(names)]))
        return
    took = studies.minutes(names, chosen)
    print(f"about {took}, less what is trained already", file=sys.stderr)
    with comparison.stoppable() as stop:
        rows = studies.reproduce(names, chosen, Lab(out, where, data_dir, stop), path)
    studies.show(rows)
    print(f"wrote {path}", file=sys.stderr)
    raise typer.Exit(not rows["verdict"].map(stands).all())
