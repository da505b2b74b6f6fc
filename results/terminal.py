"""Where tables are printed; imports nothing heavy."""

import os
import sys

from rich.console import Console

WIDE = 400
"""Columns of a table that goes to a file or a pipe: no table is as wide."""


def console(*, stderr: bool = False) -> Console:
    """Return standard output, or error: as wide as the terminal, or `WIDE` where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(width=width, stderr=stderr)
