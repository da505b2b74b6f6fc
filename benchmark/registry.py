"""Where methods, metrics and data sets are found by name.

A plug-in is one file in its room, or a module that a third-party package names under the
entry-point group `benchmark.methods`, `benchmark.metrics` or `benchmark.datasets`. Importing it
registers it:

    @METHODS.register("betavae", source="Higgins et al., 2017, https://...", version=1)
    class BetaVAE(Method): ...
"""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SEEDS = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
MOST_SEEDS = 10_000


class UserError(Exception):
    """A mistake of the user's: one line that names the thing and the choices; exit code 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not one of `known`, with the nearest one suggested."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}; {hint}known: {', '.join(choices)}")


def names(text: str, kind: str, known: Sequence[str]) -> list[str]:
    """Return the comma-separated names of `text`, each once; `all` stands for all of them.

    Raises:
        UserError: a name is not known, or there is none.
    """
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise UserError(f"no {kind} named; known: all, {', '.join(known)}")
    for name in found:
        if name not in known and name != "all":
            raise unknown(kind, name, [*known, "all"])
    return list(known) if "all" in found else list(dict.fromkeys(found))


PACKAGE = "disentanglement-benchmark"
"""The name of the distribution, under which runs record its version."""
GENERATOR = "@generator"
"""Ends the name of a metric, and of its rows, that is asked of the generator's side."""


def seeds(text: str) -> list[int]:
    """Return the seeds of a text like `0-4` or `0,2,7`.

    Raises:
        UserError: it is neither.
    """
    found: list[int] = []
    for part in text.split(","):
        match = SEEDS.fullmatch(part.strip())
        if match is None:
            raise UserError(f"--seeds {text!r} is not like 0-4 or 0,2,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(f"--seeds {text!r}: {part.strip()} runs backwards")
        if last >= 2**31:
            raise UserError(f"--seeds {text!r}: a seed is below {2**31}")
        if last - first >= MOST_SEEDS:
            raise UserError(f"--seeds {text!r}: {part.strip()} is more than {MOST_SEEDS} seeds")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def spans(numbers: Iterable[int]) -> str:
    """Return seeds as `seeds` reads them: "0-3,7" of 0, 1, 2, 3, 7."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, part)) for part in found)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered plug-in: its name, the thing itself, its source, and facts about it."""

    name: str
    value: T
    source: str
    facts: dict[str, Any] = field(default_factory=dict)


class Registry(Generic[T]):
    """The plug-ins of one room, imported when first asked for.

    Args:
        kind: what one is called.
        room: the package that they are in.
        facts: what each must say of itself.
    """

    def __init__(self, kind: str, room: str, facts: Sequence[str] = ()) -> None:
        self.kind, self.room, self.facts = kind, room, tuple(facts)
        self._entries: dict[str, Entry[T]] = {}
        self._loaded = False

    def register(self, name: str, *, source: str, **facts: Any) -> Callable[[T], T]:
        """Return a decorator that registers its argument as `name`.

        Args:
            name: what the user types.
            source: authors, title, year and URL of what it implements.
            facts: what the room's contract asks for beyond that (a metric's range, for example).
        """

        def add(value: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            lacking = [fact for fact in self.facts if fact not in facts]
            if lacking:
                raise UserError(f"{self.kind} {name!r} is registered without {', '.join(lacking)}")
            self._entries[name] = Entry(name, value, source, facts)
            return value

        return add

    def __getitem__(self, name: str) -> Entry[T]:
        self._load()
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        self._load()
        return sorted(self._entries)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        room = importlib.import_module(self.room)
        for module in pkgutil.iter_modules(room.__path__):
            importlib.import_module(f"{self.room}.{module.name}")
        for point in entry_points(group="benchmark." + self.room.removeprefix("benchmark.")):
            point.load()


METHODS: Registry[Any] = Registry("method", "methods", ("version",))
METRICS: Registry[Any] = Registry(
    "metric", "metrics", ("range", "higher_is_better", "protocol", "factors")
)
DATASETS: Registry[Any] = Registry("data set", "datasets")
CLAIMS: Registry[Any] = Registry("claim", "benchmark.claims")
