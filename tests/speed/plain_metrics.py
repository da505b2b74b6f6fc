"""The protocols of seven metrics as one writes them down with NumPy and scikit-learn.

They are the reference of `python -m tests.speed.metrics`: a loop over points, votes and bins,
every classifier as the library has it. Their scores are those of `metrics/` within chance.
"""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
Rng = np.random.Generator
TRAIN, TEST, BATCH, BINS = 10_000, 5_000, 64, 20


class Grid:
    """A full grid of factors, the last of which changes from row to row."""

    def __init__(self, factors: Integers) -> None:
        self.factors = factors
        sizes = factors.max(0) + 1
        self.strides = np.cumprod([1, *sizes[:0:-1]])[::-1]

    def moved(self, rows: Integers, k: int, values: Integers) -> Integers:
        """Return the rows that differ from `rows` in factor k only, whose values these are."""
        return np.asarray(rows + (values - self.factors[rows, k]) * self.strides[k])


def betavae(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the beta-VAE metric."""
    points, labels = [], rng.integers(len(grid.strides), size=TRAIN + TEST)
    for k in labels:
        first, second = rng.integers(len(codes), size=(2, BATCH))
        second = grid.moved(second, k, grid.factors[first, k])
        points.append(np.abs(codes[first] - codes[second]).mean(0))
    model = LogisticRegression().fit(points[:TRAIN], labels[:TRAIN])
    return float(model.score(points[TRAIN:], labels[TRAIN:]))


def factorvae(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the FactorVAE metric."""
    scale = codes[rng.integers(len(codes), size=TRAIN)].var(0, ddof=1)
    labels, least = rng.integers(len(grid.strides), size=TRAIN + TEST), []
    for k in labels:
        rows = rng.integers(len(codes), size=BATCH)
        batch = codes[grid.moved(rows, k, grid.factors[rows[:1], k])]
        least.append(np.argmin(batch.var(0, ddof=1) / scale))
    votes = np.zeros((codes.shape[1], len(grid.strides)))
    np.add.at(votes, (least[:TRAIN], labels[:TRAIN]), 1)
    return float(np.mean(votes.argmax(1)[least[TRAIN:]] == labels[TRAIN:]))


def _information(codes: Floats, grid: Grid, rng: Rng) -> tuple[Floats, Floats]:
    """Return I(code; factor) (L, K) and H(factor) (K,) of drawn rows."""
    rows = rng.integers(len(codes), size=TRAIN)
    table = grid.factors[rows]
    binned = [np.digitize(z, np.histogram(z, BINS)[1][:-1]) for z in codes[rows].T]
    both = np.array([[mutual_info_score(z, v) for v in table.T] for z in binned])
    return both, np.array([mutual_info_score(v, v) for v in table.T])


def mig(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the mutual information gap."""
    information, entropy = _information(codes, grid, rng)
    best = np.sort(information, axis=0)
    return float(np.mean((best[-1] - best[-2]) / entropy))


def modularity(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the modularity."""
    squares = _information(codes, grid, rng)[0] ** 2
    most = squares.max(1)
    return float(np.mean(1 - (squares.sum(1) - most) / most / (squares.shape[1] - 1)))


def sap(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the separated attribute predictability."""
    rows = rng.integers(len(codes), size=TRAIN + TEST)
    x, table = codes[rows], grid.factors[rows]
    accuracy = np.zeros((x.shape[1], table.shape[1]))
    for i, k in np.ndindex(accuracy.shape):
        model = LinearSVC(C=0.01, class_weight="balanced")
        model.fit(x[:TRAIN, i : i + 1], table[:TRAIN, k])
        accuracy[i, k] = model.score(x[TRAIN:, i : i + 1], table[TRAIN:, k])
    best = np.sort(accuracy, axis=0)
    return float(np.mean(best[-1] - best[-2]))


def explicitness(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the explicitness."""
    rows = rng.integers(len(codes), size=TRAIN + TEST)
    x, table = codes[rows], grid.factors[rows]
    x = StandardScaler().fit(x[:TRAIN]).transform(x)
    areas = []
    for v in table.T:
        chance = LogisticRegression().fit(x[:TRAIN], v[:TRAIN]).predict_proba(x[TRAIN:])
        areas.append(np.mean([roc_auc_score(v[TRAIN:] == c, p) for c, p in enumerate(chance.T)]))
    return float(np.mean(areas))


def irs(codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return the interventional robustness score."""
    rows = rng.integers(len(codes), size=TRAIN)
    z, table = codes[rows], grid.factors[rows]
    largest = np.abs(z - z.mean(0)).max(0)
    robust = []
    for v in table.T:
        held = np.digitize(v, np.histogram(v, BINS)[1][:-1])
        parts = [z[held == b] for b in np.unique(held)]
        moved = [np.percentile(np.abs(part - part.mean(0)), 99, axis=0) for part in parts]
        robust.append(1 - np.mean(moved, axis=0) / largest)
    return float(np.average(np.max(robust, axis=0), weights=largest))


PLAIN: dict[str, Callable[[Floats, Grid, Rng], float]] = {
    f.__name__: f for f in (betavae, factorvae, mig, sap, modularity, explicitness, irs)
}


def plain(name: str, codes: Floats, grid: Grid, rng: Rng) -> float:
    """Return a metric's score; warnings that a fit has not converged are the protocol's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return PLAIN[name](codes, grid, rng)
