"""Where tables are printed; imports nothing heavy."""

import os
import sys

from rich.console import Console

WHOLE = 400
"""Columns of a table that goes to a file or a pipe: none of ours is as wide."""


def console() -> Console:
    """Return standard output: as wide as the terminal, or whole where there is none."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WHOLE
    return Console(width=width)
