"""Errors that are the user's, the one about a name that is not known, and how any is recorded."""

import difflib
import traceback
from collections.abc import Iterable

TRACEBACK_LINES = 20


class UserError(Exception):
    """A mistake of the user's: one line that names the thing and the choices; exit code 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not one of `known`, with the nearest one suggested."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}; {hint}known: {', '.join(choices)}")


def traceback_end() -> str:
    """Return the end of the traceback of the exception that is being handled."""
    return "\n".join(traceback.format_exc().splitlines()[-TRACEBACK_LINES:])
