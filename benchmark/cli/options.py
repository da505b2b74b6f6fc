"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="The folder of run folders.")]
Supervision = Annotated[
    str | None,
    typer.Option(
        "--sees", help="Only methods that see this much: images, label, factors, one-factor, pairs."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print records as JSON and nothing else.")]
Names = Annotated[str | None, typer.Option(help="Comma-separated names; all if not given.")]
Scores = Annotated[
    str | None, typer.Option(help="Comma-separated names, or all; the usual ones if not given.")
]
DataDir = Annotated[Path | None, typer.Option(help="Where you keep original files.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seeds = Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; all if not given.")]
To = Annotated[
    list[Path] | None,
    typer.Option(help="Write the table there, too: .tex, .md, .csv, .parquet; repeatable."),
]
StudyName = Annotated[
    str | None, typer.Option("--study", help="The name of a study (list studies), or FILE.toml.")
]
Side = Annotated[
    str,
    typer.Option(
        help="encoder: codes of real images; generator: images of the prior's codes, read by an "
        "oracle that is trained once per data set; or both."
    ),
]
Rows = Annotated[
    str | None,
    typer.Option(
        help="Images that are encoded and scored: all, or 50000, the fixed table of the quick "
        "budget, which is its default; all is that of any other."
    ),
]
Factors = Annotated[
    str,
    typer.Option(
        help="Which are scored: all; distinct, where values that look alike are one, such as "
        "dSprites' first and last orientation; or names, like shape,scale,x,y."
    ),
]
