"""Options that several commands have."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from inspect import Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("runs")

Out = Annotated[Path, typer.Option(help="The folder of run folders.")]
Found = Annotated[
    Path, typer.Option("--out", help="The folder of run folders, or FILE.parquet of run --store.")
]
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
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps (Apple's GPU).")]
Seeds = Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; all if not given.")]
To = Annotated[
    list[Path] | None,
    typer.Option(help="Write the table there, too: .tex, .md, .csv, .parquet; repeatable."),
]
Cost = Annotated[
    str | None,
    typer.Option("--x", help="What scores are set against: training's seconds, flops or images."),
]
StudyName = Annotated[
    str | None, typer.Option("--study", help="The name of a study (list studies), or FILE.toml.")
]
Side = Annotated[
    str | None,
    typer.Option(
        help="encoder (the default): codes of real images; generator: images of the prior's codes, "
        "read by an oracle that is trained once per data set; or both."
    ),
]
Factors = Annotated[
    str,
    typer.Option(
        help="Which are scored: all; distinct, where values that look alike are one, such as "
        "dSprites' first and last orientation; or names, like shape,scale,x,y."
    ),
]


@dataclass(frozen=True)
class Selection:
    """The runs that a command is about: those of a folder or a file of stored runs, or some."""

    out: Found = RUNS
    methods: Names = None
    datasets: Names = None
    metrics: Names = None
    seeds: Seeds = None
    sees: Supervision = None

    @cached_property
    def folder(self) -> Path:
        """The folder of run folders, which is made of a file of stored runs."""
        from results.stored import opened

        return opened(self.out)

    @property
    def place(self) -> Path:
        """Where figures and pages are written: in the folder, or in one named like the file."""
        return self.out.with_suffix("") if self.out.is_file() else self.out

    def rows(self) -> "pd.DataFrame":
        """Return their scores, a row each; UserError if there are none."""
        from results.output import chosen

        return chosen(self.folder, self.methods, self.datasets, self.metrics, self.seeds, self.sees)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose first parameter, a dataclass, is an option for each of its fields."""
    first, *others = signature(command).parameters.values()
    group = first.annotation

    @wraps(command)
    def with_options(**given: Any) -> None:
        options = {field.name: given.pop(field.name) for field in fields(group)}
        command(group(**options), **given)

    every = [*signature(group).parameters.values(), *others]
    with_options.__signature__ = Signature(every)  # type: ignore[attr-defined]
    return with_options
