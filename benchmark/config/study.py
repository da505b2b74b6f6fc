"""Studies: which runs a comparison is made of, read from TOML files.

    title = "..."                       # and source: whose study it is
    datasets = ["dsprites", "shapes3d"]
    seeds = "0-4"                       # or [0, 1, 2]
    steps = 300000                      # or budget = "quick" or "paper"
    metrics = ["mig", "dci"]            # the usual ones without
    side = "both"                       # rows = "all" and track = 3000, too: as options of `run`

    [[grid]]                            # as many as you like; each is a product
    method = "betavae"                  # or several: ["vae", "pca"]
    set = { beta = [1, 4, 16] }
    seeds = "0-9"                       # instead of the value at the top, for this grid

    [slurm]                             # options of sbatch
    partition = "gpu"
    setup = ["module load cuda"]        # lines of shell that a job begins with

A mistake is one line that names file and key, `grid[1].seeds` for example, counted from 0.
"""

import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from benchmark.config import parse, settings
from benchmark.config.grid import Grid
from benchmark.config.parse import BUDGETS, PRECISIONS, Names, Seeds
from benchmark.config.run import Run
from benchmark.config.score import ROWS, SIDES
from benchmark.errors import UserError, unknown
from benchmark.registry import DATASETS, METHODS, METRICS

SHIPPED = Path(__file__).parent / "studies"
EXPECTED = {
    "int_type": "a whole number",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "greater_than_equal": "at least {ge}",
    "too_short": "at least {min_length}",
}
"""What is expected where pydantic finds an error of this type."""


@dataclass(frozen=True)
class Study:
    """Grids, and what a file of TOML states beside them.

    Attributes:
        grids: of runs.
        metrics: names; None for the usual ones.
        side, rows, track: as options of `run`, where these are not given; None for their defaults.
        name: of the file, without its ending; "" for what has none.
        slurm: options of sbatch, and `setup`.
    """

    grids: Sequence[Grid]
    metrics: Sequence[str] | None = None
    side: str | None = None
    rows: str | None = None
    track: int | None = None
    name: str = ""
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quick(self) -> bool:
        """Whether all is trained on the quick budget."""
        return all(grid.quick for grid in self.grids)

    def runs(self) -> list[Run]:
        """Return the runs of all grids, each once; UserError as `Grid.runs`."""
        return list({run.key: run for grid in self.grids for run in grid.runs()}.values())

    def part(self, methods: Names | None, datasets: Names | None, only: Seeds | None) -> "Study":
        """Return the part of it with these methods, data sets and seeds; None keeps all.

        Raises:
            UserError: it has no such method, data set or seed.
        """
        which = self._among("methods", "method", methods)
        where = self._among("datasets", "data set", datasets)
        kept = None if only is None else parse.seeds(only)
        grids = [
            replace(
                grid,
                methods=[name for name in grid.methods if name in which],
                datasets=[name for name in grid.datasets if name in where],
                seeds=[seed for seed in grid.seeds if kept is None or seed in kept],
            )
            for grid in self.grids
        ]
        if not any(grid.methods and grid.datasets and grid.seeds for grid in grids):
            known = sorted({seed for grid in self.grids for seed in grid.seeds})
            raise UserError(f"the study has no such run; its seeds: {', '.join(map(str, known))}")
        return replace(self, grids=grids)

    def _among(self, of: str, kind: str, given: Names | None) -> list[str]:
        known = list(dict.fromkeys(name for grid in self.grids for name in getattr(grid, of)))
        return known if given is None else parse.names(given, f"{kind} of the study", known)


def names() -> list[str]:
    """Return the names of the studies that come with the program."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def shipped() -> list[tuple[str, str, str]]:
    """Return name, title and source of each of them; without torch, which checking needs."""
    tables = {name: tomllib.loads((SHIPPED / f"{name}.toml").read_text()) for name in names()}
    return [(name, table["title"], table["source"]) for name, table in tables.items()]


def find(name: str) -> Study:
    """Return the study that is called so, or that is in the file of that path.

    Raises:
        UserError: there is no such study, or its file cannot be read or understood.
    """
    if name in names():
        return read(SHIPPED / f"{name}.toml")
    if not name.endswith(".toml"):
        raise unknown("study", name, [*names(), "FILE.toml"])
    return read(Path(name))


def read(file: Path) -> Study:
    """Read a study.

    Raises:
        UserError: the file cannot be read, is no TOML, or has a key or a value that cannot be.
    """
    try:
        found = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        return found.study(file.stem)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {error}") from error
    except ValidationError as error:
        raise UserError(f"{file}: {_message(error)}") from error


def _message(error: ValidationError) -> str:
    """Return the first error of a file in one line: the key's path, and what is wrong."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        model = _Table if first["loc"][0] == "grid" else _File
        text = str(unknown("key", str(first["loc"][-1]), model.model_fields))
    elif first["type"] == "missing":
        text = "it is missing"
    elif first["type"] in EXPECTED:
        expected = EXPECTED[first["type"]].format_map(first.get("ctx", {}))
        text = f"expected {expected}, found {reprlib.repr(first['input'])}"
    return f"{path.removeprefix('.')}: {text}" if path else text


def _checked(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a check whose UserError is one to which pydantic adds the key's path."""

    def checked(value: Any) -> Any:
        try:
            return check(value)
        except UserError as error:
            text = str(error)
            raise ValueError(text.removeprefix("--seeds ").removeprefix("--set ")) from error

    return checked


def _known(kind: str, known: Callable[[], list[str]]) -> AfterValidator:
    return AfterValidator(_checked(lambda value: parse.names(value, kind, known())))


def _one_of(kind: str, known: Sequence[str]) -> AfterValidator:
    return AfterValidator(_checked(lambda value: parse.one_of(kind, value, known)))


def _option(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"{value!r} is not an option of sbatch")
    return value


LISTED = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
SPAN = BeforeValidator(_checked(lambda v: parse.seeds(v) if isinstance(v, str | int) else v))


class _Common(BaseModel):
    """The keys of a grid, and of the top of the file for all grids."""

    model_config = ConfigDict(extra="forbid", strict=True)

    datasets: Annotated[list[str], LISTED, _known("data set", DATASETS.names)] = []
    seeds: Annotated[list[int], SPAN, AfterValidator(_checked(parse.seeds))] = [0]
    steps: Annotated[int, Field(ge=1)] | None = None
    budget: Annotated[str, _one_of("budget", BUDGETS)] = "quick"
    precision: Annotated[str, _one_of("precision", PRECISIONS)] = "auto"

    @model_validator(mode="after")
    def _once(self) -> "_Common":
        if {"steps", "budget"} <= self.model_fields_set:
            raise ValueError("steps and budget exclude each other")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The values that it has of the keys that grids and the top share."""
        return self.model_dump(include={*_Common.model_fields}, exclude_unset=True)


class _Table(_Common):
    """A `[[grid]]`."""

    method: Annotated[list[str], LISTED, _known("method", METHODS.names)]
    set: dict[str, Any] = {}

    @field_validator("set")
    @classmethod
    def _settings(cls, given: dict[str, Any], info: ValidationInfo) -> Any:
        methods = info.data.get("method", ())
        return _checked(lambda tables: settings.parse(tables, methods))(
            dict.fromkeys(methods, given)
        )


class _Slurm(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_option)]]

    setup: list[str] = []


class _File(_Common):
    """A study's file."""

    title: str = ""
    source: str = ""
    metrics: Annotated[list[str], LISTED, _known("metric", METRICS.names)] | None = None
    side: Annotated[str, _one_of("side", [*SIDES])] | None = None
    rows: Annotated[str, _one_of("rows", ROWS)] | None = None
    track: Annotated[int, Field(ge=0)] | None = None
    grid: Annotated[list[_Table], Field(min_length=1)]
    slurm: _Slurm | None = None

    @model_validator(mode="after")
    def _has_runs(self) -> "_File":
        for number, table in enumerate(self.grid):
            grid = self._grid(table)
            if not grid.datasets:
                raise ValueError(f"grid[{number}] has no datasets, and neither has the top")
            try:
                list(grid.runs())
            except UserError as error:
                raise ValueError(f"grid[{number}].budget: {error}") from error
        return self

    def study(self, name: str) -> Study:
        """Return the study; a grid has the values of the top where it has none itself."""
        slurm = self.slurm.model_dump(exclude_unset=True) if self.slurm else {}
        grids = [self._grid(table) for table in self.grid]
        scores = self.metrics, self.side, self.rows, self.track
        return Study(grids, *scores, name, slurm)

    def _grid(self, table: _Table) -> Grid:
        top, own = self.given, table.given
        if {"steps", "budget"} & own.keys():
            top = {key: value for key, value in top.items() if key not in ("steps", "budget")}
        return Grid(table.method, settings=table.set, **{"datasets": [], **top, **own})
