"""`python -m benchmark cite`: what a paper cites that shows the runs of a folder."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import Names, Out
from benchmark.registry import DATASETS, METHODS, UserError

if TYPE_CHECKING:
    import pandas as pd


def cite(
    out: Out = Path("runs"), methods: Names = None, datasets: Names = None, metrics: Names = None
) -> None:
    """Print BibTeX of the methods, data sets and metrics that the runs in a folder used."""
    from results.citations import bibtex
    from results.output import chosen
    from results.provenance import sources
    from results.runs import Runs

    runs = Runs(out, chosen(out, methods, datasets, metrics, None, None))
    print(bibtex(sources(runs, registered_sources(runs.frame))))


def registered_sources(frame: "pd.DataFrame") -> dict[tuple[str, str], str]:
    """Return the sources of what runs used, as far as it is registered here."""
    found = {}
    for kind, registry in (("method", METHODS), ("dataset", DATASETS)):
        for name in set(frame[kind]) - {""}:
            # A page can be made where torch, without which no method is known, is not installed.
            with suppress(UserError, ImportError):
                found[kind, name] = registry[name].source
    return found
