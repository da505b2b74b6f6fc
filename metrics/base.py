"""What a metric is, what it needs, and how it is called.

A metric is a pure function that returns a float or, where it comes to several numbers, a dictionary
of them. Its parameters without default name what it needs:

    codes     numbers (M, L)         one row per image of a table of images: see `as_codes`
    factors   int (M, K)             the true factors of the same rows; the table need not be a grid
    c1        int (M,)               the category of the method's first categorical code
    label     int (M,)               the label of every row
    held_out  bool (M,)              True for test rows, False for training rows
    std       float (M, L)           the standard deviations of the codes' posteriors
    squared_errors  float (n,)       of images that were encoded and decoded, mean over pixels
    features_real, features_generated  float (n, D)  what a network sees in n held-out images, and
                                     in as many that the method made
    factors_real    int (N, K)       on the generator's side: the true factors of training images
    rng       np.random.Generator    the only source of chance

A value may be `Detailed`: what it is the mean of, by factor or by code, goes with it.

Its keyword-only parameters have defaults: they are its protocol. A metric that fits a predictor
takes `held_out` as one of them, None by default: where the table is a sample of a data set, it fits
on rows that are not held out and scores on those that are. One that measures distances between
codes, or weighs them linearly, takes `categorical`, (L,) True for the codes that are numbers of
categories, None by default, and sees these as one-hot vectors. The table may have a million
rows or 4096 columns, so a metric gathers the rows it draws and never copies the table. A file
registers it:

    @METRICS.register("mig", source="Chen et al., 2018, https://...", range=(0.0, 1.0),
                      higher_is_better=True, protocol="disentanglement_lib-1", factors=1)

A metric of several numbers names them as `parts=("disentanglement", ...)`; each is a row of its
own, `dci_disentanglement`, and all have the range and the direction.

A metric with `by_name=True` is scored where it, or `all`, is asked for: it takes long, or says the
same as others.

scikit-learn and SciPy take seconds to import: a metric imports them in the functions that use them,
so that listing metrics needs neither.

`protocol` changes whenever a number could change; `factors` is the smallest number of
ground-truth factors with which the metric means something (0: it needs none).
"""

import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from benchmark.registry import Entry, Registry

Codes = NDArray[Any]
Integers = NDArray[np.int64]
Metric = Callable[..., float | dict[str, float]]


ORDINARY = (1e-15, 1e15)
"""The largest absolute code of a float32 table whose squares, and sums of them, are float32 too."""


class Detailed(float):
    """A metric's value, with what it is the mean of.

    Attributes:
        details: by "factor" (K,), by "code" (L,), or both; NaN for one that was left out.
    """

    details: dict[str, NDArray[np.float64]]

    def __new__(cls, value: float, **details: NDArray[np.float64]) -> "Detailed":
        """Return the value with its details by name."""
        self = super().__new__(cls, value)
        self.details = details
        return self


def placed(values: ArrayLike, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values (n,) at the n places that are `kept` (N,), and NaN at the others (N,)."""
    everywhere = np.full(len(kept), np.nan)
    everywhere[kept] = values
    return everywhere


def by_group(right: NDArray[np.bool_], group: Integers, groups: int) -> NDArray[np.float64]:
    """Return the share (groups,) of `right` (N,) in each group (N,); NaN for one without rows."""
    counts = np.bincount(group, minlength=groups)
    shares: NDArray[np.float64] = np.full(groups, np.nan)
    return np.divide(np.bincount(group, right, groups), counts, out=shares, where=counts > 0)


def gaps(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how far each column's best score (L, K), >= 0, is above its second best: (K,).

    With a single row the second best is 0.
    """
    best = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)
    gap: NDArray[np.float64] = best[-1] - best[-2]
    return gap


def fitted(model: Any, x: Any, y: Integers) -> Any:
    """Return the scikit-learn model fitted as it comes: not to converge is part of a protocol."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Some defaults that the protocols leave alone will change their names.
        warnings.simplefilter("ignore", FutureWarning)
        return model.fit(x, y)


REASONS = {
    "codes": "needs codes, and the method has none",
    "factors": "needs ground-truth factors, and the data set has none",
    "c1": "needs a categorical code (c1), and the method has none",
    "label": "needs a label, and the data set has none",
    "held_out": "needs held-out rows, and there are none",
    "std": "needs a posterior of the codes, and the method has none",
    "squared_errors": "needs a decoder of the codes alone, and the method has none",
    "features_real": "needs Inception's features of images, and there are none",
    "features_generated": "needs images of the method's prior, and it makes none",
    "factors_real": "needs factors that are read in images of the prior: --side generator",
    "rng": "needs a random generator",
}


def usual(registry: Registry[Any]) -> list[str]:
    """Return the metrics that are scored where none is named."""
    return [name for name in registry.names() if not registry[name].facts.get("by_name")]


def row_names(entry: Entry[Any]) -> tuple[str, ...]:
    """Return the names of the rows that the metric comes to: its own, or one for each part."""
    parts = entry.facts.get("parts", ())
    return tuple(f"{entry.name}_{part}" for part in parts) or (entry.name,)


def needs(metric: Metric) -> tuple[str, ...]:
    """Return the names of what `metric` needs: its parameters without default, in order."""
    parameters = inspect.signature(metric).parameters.values()
    return tuple(p.name for p in parameters if p.default is p.empty)


def inapplicable(entry: Entry[Any], *, has: Collection[str], factors: int) -> str | None:
    """Return why the metric has no meaning here, in one line, or None where it has.

    Args:
        entry: the registered metric.
        has: which of the names in `REASONS` the runner can give; `rng` goes without saying.
        factors: how many ground-truth factors the data set has.
    """
    for name in needs(entry.value):
        if name not in REASONS:
            return f"needs {name!r}, which no run has; a metric may need: {', '.join(REASONS)}"
        if name not in has and name != "rng":
            return REASONS[name]
    least = entry.facts["factors"]
    if factors < least:
        plural = "factor" if least == 1 else "factors"
        return f"needs at least {least} {plural}; the data set has {factors}"
    return None


def score(
    entry: Entry[Any],
    arrays: Mapping[str, NDArray[Any]],
    rng: np.random.Generator,
    disjoint: bool = False,
) -> dict[str, float]:
    """Return the metric's values on a table, by the names of its rows.

    The call runs on one thread: sums of floats depend on how threads share them; a score must not.

    Args:
        entry: the registered metric, applicable to these arrays.
        arrays: by name, as in the module's docstring; more than the metric needs is fine.
        rng: the only source of chance.
        disjoint: whether a metric that can (`held_out` is among its keyword-only parameters) fits
            on rows that are not held out, and scores on those that are.

    Raises:
        ValueError: codes that `as_codes` refuses, arrays of different lengths, or a
            table on which the metric is not defined.
    """
    given = {name: arrays[name] for name in needs(entry.value) if name != "rng"}
    lengths = {name: len(array) for name, array in given.items() if name != "factors_real"}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the rows of the table do not agree: {lengths}")
    if "codes" in given:
        given["codes"] = as_codes(given["codes"])
    chance: dict[str, Any] = {"rng": rng} if "rng" in needs(entry.value) else {}
    optional = {"categorical", *(["held_out"] if disjoint else [])} & arrays.keys()
    takes = inspect.signature(entry.value).parameters.keys()
    given |= {name: arrays[name] for name in optional & takes}
    with threadpool_limits(1):
        found = entry.value(**given, **chance)
    values = found if isinstance(found, Mapping) else {None: found}
    if set(values) != set(entry.facts.get("parts", (None,))):
        said = entry.facts.get("parts", "no parts")
        raise ValueError(f"{entry.name} gives {list(values)} and is registered with {said}")
    names = dict(zip(entry.facts.get("parts", (None,)), row_names(entry), strict=True))
    return {names[part]: values[part] for part in names}


def as_codes(codes: Codes) -> Codes:
    """Return codes (M, L) in a type that every metric takes: float32, float64, uint8 or int64.

    Floats become float64, but float32 of `ORDINARY` size stays: nothing overflows in it. Booleans
    become uint8, which stays, for raw pixels would be eight times larger; other integers become
    int64. Nothing is copied where the type is right already.

    Raises:
        ValueError: they are no table of numbers, or a number is not finite or too large.
    """
    kind = codes.dtype.kind
    if kind not in "fiub" or codes.ndim != 2 or codes.size == 0:
        raise ValueError(
            "codes are a table (rows, codes) of numbers, neither 0; these are "
            f"{codes.dtype} of shape {codes.shape}"
        )
    if kind == "b" or codes.dtype == np.uint8:
        return codes.astype(np.uint8, copy=False)
    low, high = codes.min(), codes.max()
    limit = np.float64(np.finfo(np.float32).max) if kind == "f" else 2**53
    if not (-limit <= low and high <= limit):
        raise _too_large(codes, limit)
    if codes.dtype == np.float32 and ORDINARY[0] <= max(-low, high) <= ORDINARY[1]:
        return codes
    return codes.astype(np.float64 if kind == "f" else np.int64, copy=False)


def _too_large(codes: Codes, limit: np.float64 | int) -> ValueError:
    bad = ~((-limit <= codes) & (codes <= limit))
    row, column = np.unravel_index(bad.argmax(), bad.shape)
    return ValueError(
        f"codes are beyond {limit:.2g} or not finite: {bad.sum()} of {codes.size} values, the "
        f"first at row {row}, column {column}: {codes[row, column]}"
    )
