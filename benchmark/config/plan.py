"""From what the user typed to the runs it asks for; every wrong name or value is one line."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from typing import Any, Literal, get_args, get_origin

import numpy as np

from benchmark.config.factors import columns
from benchmark.config.requests import factors_of, metric_of, of_images
from benchmark.evaluation import inception
from benchmark.registry import GENERATOR, METHODS, METRICS, UserError, names, unknown
from benchmark.registry import seeds as seeds
from benchmark.runner import Run
from datasets import Dataset, Spec
from methods.base import Method, Sees, defaults, settings
from metrics.base import REASONS, inapplicable

BUDGETS = ("quick", "paper")
QUICK_STEPS = 1_000
LARGEST = 10**6
REFERENCES = ("untrained", "random", "truth")
HINT = "; --sees images leaves out what needs more than images"

Settings = Mapping[str, Mapping[str, Sequence[Any]]]


def seeing(text: str | None, methods: Sequence[str]) -> list[str]:
    """Return the methods whose supervision is among the comma-separated kinds of `text`.

    Raises:
        UserError: a kind is not known, or no method is left.
    """
    if text is None:
        return list(methods)
    kinds = names(text, "supervision", get_args(Sees))
    found = [method for method in methods if METHODS[method].value.sees in kinds]
    if not found:
        there = {method: METHODS[method].value.sees for method in methods}
        said = ", ".join(f"{method} sees {kind}" for method, kind in there.items())
        raise UserError(f"--sees {text}: no such method is asked for; {said}")
    return found


def count(option: str, text: str, least: int = 1) -> int:
    """Return the number that `text` gives an option of the command line.

    Raises:
        UserError: it is no whole number, or below `least`.
    """
    if not re.fullmatch(r"[0-9]{1,12}", text.strip()) or int(text) < least:
        raise UserError(f"{option} {text!r} is not a whole number of at least {least}")
    return int(text)


def parse_settings(texts: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the values to try, by method and hyper-parameter, of texts like `betavae.beta=1,4`.

    Raises:
        UserError: a text is not of that form, or names a method that does not run, a
            hyper-parameter that the method has not, or a value that it cannot have.
    """
    grids: dict[str, dict[str, list[Any]]] = {}
    for text in texts:
        path, equals, values = text.partition("=")
        method, dot, name = path.strip().partition(".")
        if not (equals and dot and values.strip()):
            raise UserError(f"--set {text!r} is not like betavae.beta=1,4,16")
        if method not in methods:
            if method in METHODS.names():
                raise UserError(
                    f"--set {text}: {method} is not among --methods {', '.join(methods)}"
                )
            raise unknown("method in --set", method, methods)
        known = settings(METHODS[method].value)
        if not known:
            raise UserError(f"--set {text}: {method} has no hyper-parameters")
        if name in grids.get(method, {}):
            raise UserError(f"--set {text}: {method}.{name} is set twice; 1,4,16 gives it each")
        if name not in known:
            raise unknown(f"hyper-parameter of {method}", name, known)
        parsed = [_value(known[name], value.strip(), path) for value in values.split(",")]
        grids.setdefault(method, {})[name] = parsed
    return grids


def _value(parameter: Parameter, text: str, path: str) -> Any:
    """Return `text` as the parameter's type: a count is 1 to `LARGEST`, a number at least 0."""
    kind = parameter.annotation
    if kind is bool:
        choices: tuple[Any, ...] = ("true", "false")
    elif get_origin(kind) is Literal:
        choices = get_args(kind)
    else:
        return _number(kind, text, path)
    if text not in choices:
        raise UserError(f"--set {path}: {text!r} is none of {', '.join(choices)}")
    return text == "true" if kind is bool else text


def _number(kind: type, text: str, path: str) -> int | float:
    try:
        value: int | float = int(text) if kind is int else float(text)
    except ValueError:
        value = math.nan
    # A batch of one has no variance, which batch norm divides by.
    low, high = (1 + path.endswith(".batch_size"), LARGEST) if kind is int else (0, math.inf)
    if not (low <= value <= high and math.isfinite(value)):
        what = (
            f"a whole number from {low} to {LARGEST:,}" if kind is int else "a number of at least 0"
        )
        raise UserError(f"--set {path}: {text!r} is not {what}")
    return value


def steps(method: str, dataset: str, budget: str, given: int | None) -> tuple[int, str]:
    """Return the training steps of a run and the name of the budget; 0 for what has none.

    Raises:
        UserError: the budget is the paper's, and the method does not say what that is.
    """
    cls: type[Method] = METHODS[method].value
    if not cls.trains():
        return 0, "none"
    if given is not None:
        return given, "steps"
    if budget == "quick":
        return QUICK_STEPS, budget
    published = cls.paper_steps.get(dataset, cls.paper_steps.get(""))
    if published is None:
        raise UserError(f"{method} does not say its paper's steps (paper_steps); give --steps")
    return published, budget


def plan(
    methods: Sequence[str],
    datasets: Sequence[str],
    seeds: Sequence[int],
    grids: Settings,
    *,
    budget: str = "quick",
    given_steps: int | None = None,
    precision: str = "auto",
) -> Iterator[Run]:
    """Yield the runs: data sets x methods x settings x seeds, in that order."""
    for dataset, method in itertools.product(datasets, methods):
        cls = METHODS[method].value
        grid = grids.get(method, {})
        n, name = steps(method, dataset, budget, given_steps)
        for values in itertools.product(*grid.values()):
            chosen = defaults(cls, dataset) | dict(zip(grid, values, strict=True))
            for seed in seeds:
                yield Run(dataset, method, seed, n, chosen, name, precision)


def check_fits(runs: Sequence[Run], dataset: Dataset) -> None:
    """Raise UserError if a method cannot take the data set: said before anything trains."""
    for method in dict.fromkeys(run.method for run in runs):
        reason = misfit(method, dataset.spec)
        if reason is not None:
            raise UserError(f"{method} {reason}, and {dataset.name} has none{HINT}")
        try:
            _try_sampling(METHODS[method].value.sees, dataset)
        except ValueError as error:
            raise UserError(f"{method} cannot take {dataset.name}: {error}{HINT}") from error


def misfit(method: str, spec: Spec) -> str | None:
    """Return what a method needs that a data set does not have, None where it has everything."""
    sees = METHODS[method].value.sees
    if sees == "label" and spec.label is None:
        return "needs a label"
    if sees in ("factors", "one-factor", "pairs") and not spec.factor_sizes:
        return "needs ground-truth factors"
    if sees == "pairs" and len(spec.factor_sizes) < 2:
        return "needs pairs of images that share a factor"
    return None


def unscored(metric: str, spec: Spec) -> str | None:
    """Return why a metric has no meaning on a data set, whatever the method, None where it has."""
    if of_images(metric) and inception.weights() is None:
        return inception.lacking()
    lacking = set() if spec.label is not None else {"label"}
    if metric.endswith(GENERATOR):
        if not spec.factor_sizes:
            return "needs an oracle of ground-truth factors, and the data set has none"
        lacking |= {"std", "squared_errors"}
    entry, factors = METRICS[metric_of(metric)], columns(spec, factors_of(metric))
    return inapplicable(entry, has=set(REASONS) - lacking, factors=len(factors))


def _try_sampling(sees: Sees, dataset: Dataset) -> None:
    """Raise ValueError if batches of that kind cannot be dealt."""
    rng = np.random.default_rng(0)
    if sees == "one-factor":
        for factor in range(len(dataset.factor_sizes)):
            dataset.sample_varying(factor, 1, rng)
    if sees == "pairs":
        dataset.sample_pairs(None, 1, rng)
