"""The exit codes of the programs: 2 for a mistake of the user's, 130 for an interrupt."""

import sys
from collections.abc import Callable
from typing import NoReturn

import typer

from benchmark.registry import UserError


def exit_with(command: Callable[[], object]) -> NoReturn:
    """Exit with the code that a command returns; a user's error is one line and exit code 2."""
    code: object = 0
    try:
        code = command()
    except UserError as error:
        _fail(str(error))
    except typer.exceptions.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message.startswith("No such command"):
            known = getattr(error, "ctx").command.commands  # noqa: B009
            message += f" Known: {', '.join(sorted(known))}"
        _fail(message)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:  # Typer catches most KeyboardInterrupts itself, and says so with this code
        print("interrupted; the same command continues", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> NoReturn:
    if message:
        print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
