"""The options of sbatch: of the user's own file, the study, the command line; the last counts."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from benchmark.registry import UserError

OPTION = re.compile(r"([a-z][a-z0-9_-]*)(?:=([^\n]*))?")
OURS = ("array", "job-name", "output", "error", "open-mode", "wrap", "parsable", "ntasks", "nodes")
"""What jobs are found again by; a run has one process on one node."""


def user_table() -> dict[str, Any]:
    """Return the table [slurm] of the user's own settings.

    They are in $BENCHMARK_CONFIG, or a file in the configuration folder.

    Raises:
        UserError: the file cannot be read.
    """
    folder = platformdirs.user_config_path("disentanglement-benchmark")
    file = Path(os.environ.get("BENCHMARK_CONFIG") or folder / "config.toml")
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("slurm", {})
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {error}") from error
    if not isinstance(table, dict):
        raise UserError(f"{file}: slurm is no table")
    return table


def setup(tables: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the lines of shell that a job begins with, those of every table."""
    return tuple(str(line) for table in tables for line in table.get("setup", []))


def options(tables: Sequence[Mapping[str, Any]], given: Sequence[str]) -> dict[str, str]:
    """Return the options of sbatch, later ones in the place of earlier ones.

    Args:
        tables: of TOML; True is an option without a value.
        given: like qos=low, of the command line.

    Raises:
        UserError: an option is none, or it is not for the user to set.
    """
    texts = [
        name if value is True else f"{name}={value}"
        for table in tables
        for name, value in table.items()
        if name != "setup" and value is not False
    ]
    found: dict[str, str] = {}
    for text in [*texts, *given]:
        match = OPTION.fullmatch(text)
        if match is None:
            raise UserError(f"--slurm {text!r} is not like qos=low or exclusive")
        name = match[1].replace("_", "-")
        if name in OURS:
            raise UserError(f"--slurm {text}: {name} is not yours to set; it is how jobs are found")
        found[name] = match[2] or ""
    return found
