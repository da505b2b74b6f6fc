"""Where methods, metrics and data sets are found by name.

A plug-in is one file in its room, or a module that a third-party package names under the
entry-point group `benchmark.methods`, `benchmark.metrics` or `benchmark.datasets`. Importing it
registers it:

    @METHODS.register("betavae", source="Higgins et al., 2017, https://...", version=1)
    class BetaVAE(Method): ...
"""

import gc
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from benchmark.errors import UserError as UserError
from benchmark.errors import unknown as unknown

T = TypeVar("T")

PACKAGE = "disentanglement-benchmark"
"""The name of the distribution, under which runs record its version."""
GENERATOR = "@generator"
"""Ends the name of a metric, and of its rows, on the generator's side."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered plug-in: its name, the thing itself, its source, and facts about it."""

    name: str
    value: T
    source: str
    facts: dict[str, Any] = field(default_factory=dict)


class Registry(Generic[T]):
    """The plug-ins of one room, imported when the first is needed.

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
            facts: what the contract requires beyond that (a metric's range, for example).
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
        with _no_garbage_collection():
            room = importlib.import_module(self.room)
            for module in pkgutil.iter_modules(room.__path__):
                name = f"{self.room}.{module.name}"
                _plug_in(name, partial(importlib.import_module, name))
            for point in entry_points(group="benchmark." + self.room.removeprefix("benchmark.")):
                _plug_in(point.value, point.load)


def _plug_in(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except UserError:
        raise
    except Exception as error:  # a file of the user's raises anything
        kind, (reason, *_) = type(error).__name__, [*str(error).splitlines(), ""]
        raise UserError(f"cannot import {name}: {kind}: {reason}") from error


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without the collector: torch's objects all stay, and looking at them takes .4 s."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


METHODS: Registry[Any] = Registry("method", "methods", ("version",))
METRICS: Registry[Any] = Registry(
    "metric", "metrics", ("range", "higher_is_better", "protocol", "factors")
)
DATASETS: Registry[Any] = Registry("data set", "datasets")
CLAIMS: Registry[Any] = Registry("claim", "benchmark.claims")
