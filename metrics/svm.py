"""Linear support vector machines on a single feature, solved exactly.

The problem is that of scikit-learn's LinearSVC(C, class_weight="balanced"): squared hinge, one
class against the rest, the intercept b penalised like the weight w. LinearSVC stops near the
minimum, at a distance that depends on its solver, or far from it if the feature is large (its
dual solver, once the default). With one feature, the rows inside the margin are a run of the
sorted rows, so that sums over them are differences of running sums and Newton's method needs some
ten steps: https://www.jmlr.org/papers/v6/keerthi05a.html gives it for any number of features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.base import Integers

Floats = NDArray[np.float64]


def linear_svc(x: Floats, y: Integers, C: float) -> tuple[Floats, Floats]:
    """Return w and b, (classes,) each; row i is of the class with the largest w x_i + b.

    With two classes, those of class 0 are minus those of class 1: LinearSVC's sign of w x + b.

    Args:
        x: (N,) the feature.
        y: (N,) classes 0..classes-1, each with one row or more; at least two classes.
        C: the weight of the loss, before it is balanced.
    """
    counts = np.bincount(y)
    balanced = C * len(x) / (len(counts) * counts)
    if len(counts) == 2:
        w, b = _minimise(_Margins(x, y, np.array([1]), balanced[1:], balanced[:1])).T
        return np.append(-w, w), np.append(-b, b)
    # Liblinear weighs the class by its balanced weight, and the rest by C alone.
    rest = np.full(len(counts), C)
    w, b = _minimise(_Margins(x, y, np.arange(len(counts)), balanced, rest)).T
    return w, b


def _minimise(problem: "_Margins", steps: int = 100) -> Floats:
    """Return the minimum (classes, 2) by Newton's method, each step halved until it descends."""
    u = np.zeros((len(problem.classes), 2))
    f, g, H = problem.at(u)
    for _ in range(steps):
        direction = np.linalg.solve(H, g[:, :, None])[:, :, 0]
        gain = np.sum(g * direction, axis=1)
        if np.all(gain <= 1e-20 * f):
            break
        t = np.ones((len(u), 1))
        for _ in range(50):
            value, gradient, hessian = problem.at(u - t * direction)
            # The last bits of f are noise, and near the minimum nothing else is left to gain.
            worse = value > f - 1e-4 * t[:, 0] * gain + 1e-14 * f
            if not worse.any():
                break
            t[worse] /= 2
        u, f, g, H = u - t * direction, value, gradient, hessian
    return u


@dataclass
class _Margins:
    """The losses of some classes against the rest, as functions of u = (w, b)."""

    x: Floats
    y: Integers
    classes: Integers
    positive: Floats
    """The weight of the class's own rows, one per class."""
    negative: Floats
    """The weight of all other rows, one per class."""

    def __post_init__(self) -> None:
        n = len(self.x)
        order = np.argsort(self.x, kind="stable")
        self.sorted, y = self.x[order], self.y[order]
        grouped = np.argsort(y, kind="stable")
        # Increasing: the rows of a class, in the order of x, as places among all rows.
        self.places = y[grouped] * (n + 1) + grouped
        self.shift = self.classes * (n + 1)
        self.all, self.own = _moments(self.sorted), _moments(self.sorted[grouped])
        self.start = self.own[np.searchsorted(y[grouped], self.classes)]
        self.total = self._below(np.full(len(self.classes), n))

    def _below(self, i: Integers) -> Floats:
        """Return the moments (classes, 3) of each class's rows among the first `i` sorted rows."""
        below: Floats = self.own[np.searchsorted(self.places, self.shift + i)] - self.start
        return below

    def _inside(self, u: Floats) -> tuple[Floats, Floats]:
        """Return the moments of the rows with w x + b < 1 of the class, > -1 of the rest."""
        w, b = u.T + 0.0  # -0.0 is no negative weight; 0/0 is the edge itself, where no loss is.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            i, j = (np.searchsorted(self.sorted, (edge - b) / w) for edge in (1, -1))
        own, rest = self._below(i), self.all[j] - self._below(j)
        up = (w >= 0)[:, None]
        others = self.all[-1] - self.total
        return np.where(up, own, self.total - own), np.where(up, others - rest, rest)

    def at(self, u: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the loss (classes,), its gradient (classes, 2) and Hessian (classes, 2, 2)."""
        own, rest = self._inside(u)
        own, rest = 2 * self.positive[:, None] * own, 2 * self.negative[:, None] * rest
        n, x, xx = (own + rest).T
        H = np.stack([1 + xx, x, x, 1 + n], axis=1).reshape(-1, 2, 2)
        pull = (own - rest)[:, 1::-1]
        Hu = np.einsum("cij,cj->ci", H, u)
        f = np.sum(u * (Hu / 2 - pull), axis=1) + n / 2
        return f, Hu - pull, H


def _moments(x: Floats) -> Floats:
    """Return the running sums (N + 1, 3) of 1, x and x squared, from 0."""
    powers = np.stack([np.ones_like(x), x, x * x], axis=1)
    return np.vstack([np.zeros(3), np.cumsum(powers, axis=0)])
