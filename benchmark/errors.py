"""Errors that are the user's, and the one about a name that is not known."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's: one line that names the thing and the choices; exit code 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not one of `known`, with the nearest one suggested."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}; {hint}known: {', '.join(choices)}")
