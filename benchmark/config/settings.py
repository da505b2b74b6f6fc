"""Hyper-parameters: the values to try of each method's, checked against its constructor."""

import math
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any, Literal, get_args, get_origin

from benchmark.errors import UserError, unknown
from benchmark.registry import METHODS

LARGEST = 10**6

Settings = Mapping[str, Mapping[str, Sequence[Any]]]
"""The values to try, by method and hyper-parameter."""
Given = Iterable[str] | Mapping[str, Mapping[str, Any]]
"""The same as a user gives it: texts like `betavae.beta=1,4`, or values or lists of values."""


def parse(given: Given, methods: Sequence[str]) -> Settings:
    """Return the values to try, each of its parameter's type.

    Raises:
        UserError: a text is not of that form, or there is no such method among `methods`, no such
            hyper-parameter, or a value that it cannot have.
    """
    tables = given if isinstance(given, Mapping) else _split(given)
    for method in tables:
        if method not in methods and method in METHODS.names():
            raise UserError(f"--set: {method} is not among --methods {', '.join(methods)}")
        if method not in methods:
            raise unknown("method in --set", method, methods)
    return {
        method: {name: values(method, name, value) for name, value in table.items()}
        for method, table in tables.items()
    }


def _split(texts: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Return the texts of values by method and hyper-parameter."""
    found: dict[str, dict[str, list[str]]] = {}
    for text in texts:
        path, equals, given = text.partition("=")
        method, dot, name = path.strip().partition(".")
        if not (equals and dot and given.strip()):
            raise UserError(f"--set {text!r} is not like betavae.beta=1,4,16")
        if name in found.setdefault(method, {}):
            raise UserError(f"--set {text}: {method}.{name} is set twice; 1,4,16 gives it each")
        found[method][name] = [value.strip() for value in given.split(",")]
    return found


def values(method: str, name: str, given: Any) -> list[Any]:
    """Return the values of a method's hyper-parameter, given one or a list of them.

    Raises:
        UserError: the method has no such hyper-parameter, or it cannot have such a value.
    """
    from methods.base import settings  # which imports torch

    known, path = settings(METHODS[method].value), f"{method}.{name}"
    if not known:
        raise UserError(f"--set {path}: {method} has no hyper-parameters")
    if name not in known:
        raise unknown(f"hyper-parameter of {method}", name, known)
    several = [given] if isinstance(given, bool | int | float | str) else list(given)
    if not several:
        raise UserError(f"--set {path}: there is no value")
    return [_value(known[name], value, path) for value in several]


def _value(parameter: Parameter, given: Any, path: str) -> Any:
    """Return a value as the parameter's type: a count is 1 to `LARGEST`, a number at least 0."""
    kind = parameter.annotation
    if kind is not bool and get_origin(kind) is not Literal:
        return _number(kind, given, path)
    choices = {"true": True, "false": False} if kind is bool else {c: c for c in get_args(kind)}
    text = str(given).lower() if isinstance(given, bool) else given
    if text not in choices:
        raise UserError(f"--set {path}: {given!r} is none of {', '.join(choices)}")
    return choices[text]


def _number(kind: type, given: Any, path: str) -> int | float:
    try:
        value: int | float = kind(given)
        exact = isinstance(given, str) or (value == given and not isinstance(given, bool))
    except (TypeError, ValueError, OverflowError):
        value, exact = math.nan, False
    # A batch of one has no variance, which batch norm divides by.
    low, high = (1 + path.endswith(".batch_size"), LARGEST) if kind is int else (0, math.inf)
    if not (exact and low <= value <= high and math.isfinite(value)):
        what = (
            f"a whole number from {low} to {LARGEST:,}" if kind is int else "a number of at least 0"
        )
        raise UserError(f"--set {path}: {given!r} is not {what}")
    return value
