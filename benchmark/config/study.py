"""Studies: TOML files that say which runs a comparison is made of.

    title = "..."                       # and source: whose study it is
    datasets = ["dsprites", "shapes3d"]
    seeds = "0-4"                       # or [0, 1, 2]
    steps = 300000                      # or budget = "quick" or "paper"
    metrics = ["mig", "dci"]            # the usual ones without

    [[grid]]                            # as many as you like; each is a product
    method = "betavae"                  # or several: ["vae", "pca"]
    set = { beta = [1, 4, 16] }
    seeds = "0-9"                       # what is said above, otherwise for this grid

    [slurm]                             # options of sbatch
    partition = "gpu"
    setup = ["module load cuda"]        # lines of shell that a job begins with

A mistake is one line that names file, line and key.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.registry import UserError, unknown

SHIPPED = Path(__file__).parent / "studies"
COMMON = {
    "datasets": (list, str),
    "seeds": (list, str, int),
    "steps": (int,),
    "budget": (str,),
    "precision": (str,),
}
TOP = {"title": (str,), "source": (str,), "metrics": (list, str), "grid": (list,), "slurm": (dict,)}
GRID = {"method": (list, str), "set": (dict,)}
VALUE = (bool, int, float, str)
HEADER = re.compile(r"\s*\[+\s*([A-Za-z0-9_.-]+)\s*\]+")
KEY = re.compile(r"\s*([A-Za-z0-9_-]+)(?:\.[A-Za-z0-9_.-]+)?\s*=")


@dataclass(frozen=True)
class Grid:
    """A product of methods, data sets, hyper-parameters and seeds.

    Attributes:
        methods, datasets: names, comma-separated as on the command line.
        seeds: like 0-4 or 0,2,7.
        steps: of training, or None for those of the budget.
        budget: quick or paper.
        precision: auto, float32 or bfloat16.
        settings: like betavae.beta=1,4,16.
        lines: of the file, by key.
    """

    methods: str
    datasets: str
    seeds: str = "0"
    steps: int | None = None
    budget: str = "quick"
    precision: str = "auto"
    settings: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a file of TOML asks for; names and values are checked when runs are made of it."""

    file: Path
    grids: tuple[Grid, ...]
    metrics: str | None = None
    title: str = ""
    source: str = ""
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.file.stem

    def fault(self, grid: Grid, keys: Sequence[str], error: UserError) -> UserError:
        """Return the error with the place of the first of these keys that the grid was given."""
        key = next((key for key in keys if key in grid.lines), "grid")
        text = str(error).removeprefix(f"--{key} ").removeprefix("--set ")
        return UserError(f"{self.file}, line {grid.lines.get(key, 1)}, {key}: {text}")


def names() -> list[str]:
    """Return the names of the studies that come with the program."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find(name: str) -> Study:
    """Return the study that is called so, or that is in the file of that path.

    Raises:
        UserError: there is no such study, or its file cannot be read or understood.
    """
    shipped = SHIPPED / f"{name}.toml"
    if name in names():
        return read(shipped)
    if not name.endswith(".toml"):
        raise unknown("study", name, [*names(), "FILE.toml"])
    return read(Path(name))


def read(file: Path) -> Study:
    """Read a study.

    Raises:
        UserError: the file cannot be read, is no TOML, or has a key or a value that cannot be.
    """
    try:
        text = file.read_text(encoding="utf-8")
        record = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {error}") from error
    return Reader(file, lines(text)).study(record)


def lines(text: str) -> dict[tuple[str, int], dict[str, int]]:
    """Return the line of each key, by table: its name and which of that name it is, from 0."""
    table, found = ("", 0), {("", 0): dict[str, int]()}
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = HEADER.match(line), KEY.match(line)
        if header and not line.lstrip().startswith("[["):
            table = header[1], 0
        elif header:
            table = header[1], sum(name == header[1] for name, _ in found)
        if header:
            found[table] = {header[1]: number}
        elif key:
            found[table].setdefault(key[1], number)
    return found


@dataclass(frozen=True)
class Reader:
    """Turns a parsed file into a study.

    Attributes:
        file: its path.
        lines: of `lines`.
    """

    file: Path
    lines: Mapping[tuple[str, int], dict[str, int]]

    def study(self, record: dict[str, Any]) -> Study:
        """Return the study; UserError if a key or a value's type is wrong."""
        self.check(record, {**TOP, **COMMON}, ("", 0))
        tables = record.get("grid", [])
        if not tables or not all(isinstance(table, dict) for table in tables):
            raise self.error(("", 0), "grid", "there is none; [[grid]] begins one")
        slurm = record.get("slurm", {})
        for key, value in slurm.items():
            wrong = not isinstance(value, list if key == "setup" else VALUE)
            if wrong or (key == "setup" and not all(isinstance(line, str) for line in value)):
                raise self.error(("slurm", 0), key, f"{value!r} is not what sbatch can be told")
        return Study(
            self.file,
            tuple(self.grid(table, i, record) for i, table in enumerate(tables)),
            self.text(record["metrics"]) if "metrics" in record else None,
            record.get("title", ""),
            record.get("source", ""),
            slurm,
        )

    def grid(self, table: dict[str, Any], number: int, top: Mapping[str, Any]) -> Grid:
        """Return a grid, with what the top of the file says where it says nothing itself."""
        place = ("grid", number)
        self.check(table, {**GRID, **COMMON}, place)
        if "method" not in table:
            raise self.error(place, "grid", "it has no method")
        told = {key: top[key] for key in COMMON if key in top and not _other(key, table)} | table
        if "datasets" not in told:
            raise self.error(place, "grid", "it has no datasets, and neither has the top")
        if "steps" in told and "budget" in told:
            raise self.error(place, "steps", "steps and budget exclude each other")
        if told.get("steps", 1) < 1:
            raise self.error(
                place if "steps" in table else ("", 0),
                "steps",
                f"{told['steps']} is not at least 1",
            )
        plain = {key: told[key] for key in ("steps", "budget", "precision") if key in told}
        top_lines = {k: n for k, n in self.lines["", 0].items() if k not in GRID}
        return Grid(
            self.text(table["method"]),
            self.text(told["datasets"]),
            self.text(told.get("seeds", "0")),
            **plain,
            settings=tuple(self.settings(table, place)),
            lines={**top_lines, **self.lines[place]},
        )

    def settings(self, table: dict[str, Any], place: tuple[str, int]) -> list[str]:
        """Return the hyper-parameters of a grid as the command line has them."""
        methods = [name.strip() for name in self.text(table["method"]).split(",")]
        found = []
        for name, value in table.get("set", {}).items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(one, VALUE) for one in values):
                raise self.error(
                    place, "set", f"{name} = {value!r} is no value, and no list of them"
                )
            text = self.text(values)
            found += [f"{method}.{name}={text}" for method in methods]
        return found

    def check(self, table: dict[str, Any], keys: Mapping[str, Any], place: tuple[str, int]) -> None:
        """Raise UserError if a key is not known or has a value of the wrong type."""
        for key, value in table.items():
            if key not in keys:
                raise self.error(place, key, str(unknown("key", key, keys)))
            if isinstance(value, bool) or not isinstance(value, keys[key]):
                raise self.error(
                    place, key, f"{value!r} is no {' or '.join(map(_word, keys[key]))}"
                )

    def error(self, place: tuple[str, int], key: str, text: str) -> UserError:
        """Return an error that names file, line and key."""
        known = self.lines.get(place, {}) | self.lines.get((key, 0), {})
        line = known.get(key, next(iter(known.values()), 1))
        return UserError(f"{self.file}, line {line}, {key}: {text}")

    @staticmethod
    def text(value: Any) -> str:
        """Return a list as the command line has it."""
        values = value if isinstance(value, list) else [value]
        return ",".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


def _other(key: str, table: Mapping[str, Any]) -> bool:
    """Whether the grid says otherwise how long to train."""
    return (key, True) in (("steps", "budget" in table), ("budget", "steps" in table))


def _word(kind: type) -> str:
    return {list: "list", str: "text", int: "whole number", dict: "table"}[kind]
