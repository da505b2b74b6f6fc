"""`python -m benchmark list`: what there is, with its sources."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from benchmark.config import parse
from benchmark.registry import CLAIMS, DATASETS, METHODS, METRICS, Registry

REGISTRIES: dict[str, Registry[Any]] = {
    "methods": METHODS,
    "datasets": DATASETS,
    "metrics": METRICS,
    "claims": CLAIMS,
}


def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, datasets, metrics, claims, studies or all.")
    ] = "all",
) -> None:
    """List methods, data sets, metrics, claims and studies with their sources."""
    parse.one_of("kind", kind, [*REGISTRIES, "studies", "all"])
    for name, registry in REGISTRIES.items():
        if kind in (name, "all"):
            more = {"methods": ["sees"], "claims": ["minutes", "seeds"]}.get(name, [])
            lines = [_line(registry, entry, more) for entry in registry.names()]
            print_lines(["name", "what", *more, "source"], lines, name)
    if kind in ("studies", "all"):
        from benchmark.config.study import shipped

        print_lines(["name", "what", "source"], shipped(), "studies")


def _line(registry: Registry[Any], name: str, more: Sequence[str]) -> list[str]:
    entry = registry[name]
    what = entry.facts.get("says") or (entry.value.__doc__ or "").strip().splitlines()[0]
    facts = [str(entry.facts.get(fact) or getattr(entry.value, fact, "")) for fact in more]
    return [name, what, *facts, entry.source]


def print_lines(
    columns: Sequence[str], lines: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Print a table of texts: those that are too wide are folded, but for the names, the first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from results.terminal import console

    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE)
    table.columns[0].no_wrap = True
    table.columns[0].min_width = max(len(name) for name, *_ in lines)
    for line in lines:
        table.add_row(*(Text(text, overflow="fold") for text in line))
    console().print(table)
