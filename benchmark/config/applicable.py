"""Which methods can take a data set, and which scores have a meaning on it."""

from collections.abc import Sequence

import numpy as np

from benchmark.config.factors import columns
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.errors import UserError
from benchmark.evaluation import inception
from benchmark.registry import DATASETS, METHODS
from datasets import Dataset, Spec
from methods.base import Sees
from metrics.base import REASONS, inapplicable

HINT = "; --sees images leaves out what needs more than images"


def check_registered(runs: Sequence[Run]) -> None:
    """Raise UserError if a method needs what a data set is registered without; fetches nothing."""
    for name, method in dict.fromkeys((run.dataset, run.method) for run in runs):
        spec = DATASETS[name].facts.get("spec")
        if spec is not None:
            _check_spec(method, name, spec)


def check_fits(runs: Sequence[Run], dataset: Dataset) -> None:
    """Raise UserError if a method cannot take the data set; called before anything trains."""
    for method in dict.fromkeys(run.method for run in runs):
        _check_spec(method, dataset.name, dataset.spec)
        try:
            _try_sampling(METHODS[method].value.sees, dataset)
        except ValueError as error:
            raise UserError(f"{method} cannot take {dataset.name}: {error}{HINT}") from error


def _check_spec(method: str, dataset: str, spec: Spec) -> None:
    if reason := misfit(method, spec):
        raise UserError(f"{method} {reason}, and {dataset} has none{HINT}")


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


def unscored(score: Score, spec: Spec) -> str | None:
    """Return why a score has no meaning on a data set, whatever the method, None where it has."""
    if score.of_images and inception.weights() is None:
        return inception.lacking()
    lacking = set() if spec.label is not None else {"label"}
    if not score.of_generator:
        lacking |= {"factors_real"}
    elif not spec.factor_sizes:
        return "needs an oracle of ground-truth factors, and the data set has none"
    else:
        lacking |= {"std", "squared_errors"}
    factors = len(columns(spec, score.factors))
    return inapplicable(score.entry, has=set(REASONS) - lacking, factors=factors)


def _try_sampling(sees: Sees, dataset: Dataset) -> None:
    """Raise ValueError if batches of that kind cannot be drawn."""
    rng = np.random.default_rng(0)
    if sees == "one-factor":
        for factor in range(len(dataset.factor_sizes)):
            dataset.sample_varying(factor, 1, rng)
    if sees == "pairs":
        dataset.sample_pairs(None, 1, rng)
