"""Mutual information gap, as its paper estimates it: from the posteriors, not from their means.

Chen, Li, Grosse & Duvenaud, Isolating Sources of Disentanglement in Variational Autoencoders,
NeurIPS 2018, https://arxiv.org/abs/1802.04942, equation 6; code
https://github.com/rtqichen/beta-tcvae, disentanglement_metrics.py.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, gaps, placed
from metrics.discretise import entropy
from metrics.parallel import on_all_cores
from metrics.udr import SMALLEST

Floats = NDArray[np.floating]


class Group(NamedTuple):
    """Rows with one value of one factor: of them all, and of those whose density is taken."""

    factor: int
    rows: Integers
    drawn: Integers


@METRICS.register(
    "mig_chen",
    source="Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, "
    "https://arxiv.org/abs/1802.04942, code https://github.com/rtqichen/beta-tcvae",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="beta-tcvae-1",
    factors=1,
    by_name=True,
)
def mig_chen(
    codes: Codes,
    std: Floats,
    factors: Integers,
    rng: np.random.Generator,
    *,
    samples: int = 10_000,
    workers: int | None = None,
) -> float:
    """Return how much more the best code tells of a factor than the second best, in [0, 1].

    Each row's code is drawn from its posterior N(codes, std^2). The entropy of a code is the mean
    of -log q(z) over drawn rows, where q(z) is the mixture of all rows' posteriors, exactly; given
    a value of a factor, both are of the rows with that value. Per factor, the gap between the two
    largest mutual informations divided by the factor's entropy; then the mean over the factors.

    Not `mig`, which bins the means: the two are not comparable. The paper's numbers leave out what
    object an image shows (dSprites' shape, the faces' identity). Factors with a single value are
    left out. With a single code the second best is 0. About five minutes on two cores for ten
    codes of all of dSprites: every draw meets every posterior.

    Args:
        codes: (M, L), the posteriors' means.
        std: (M, L), their standard deviations.
        factors: (M, K).
        rng: draws the codes and the rows.
        samples: rows, drawn without replacement from all and from those of each value.
        workers: processes at a time, None: all cores; changes no number.

    Raises:
        ValueError: every factor has a single value.
    """
    uncertainty = entropy(factors)
    varied = uncertainty > 0
    if not varied.any():
        raise ValueError("every factor has a single value: mig_chen is not defined")
    z = codes + std * rng.standard_normal(codes.shape, np.float32)
    everything = Group(-1, np.arange(len(z)), rng.permutation(len(z))[:samples])
    groups = [everything, *_groups(factors, samples, rng)]
    columns = zip(z.T, codes.T, np.maximum(std, SMALLEST).T, strict=True)
    calls = [(*(c.astype(np.float32) for c in column), groups) for column in columns]
    entropies = np.column_stack(on_all_cores(_entropies, calls, workers))
    information = np.repeat(entropies[0][:, None], factors.shape[1], axis=1)
    for group, each in zip(groups[1:], entropies[1:], strict=True):
        information[:, group.factor] -= each * len(group.rows) / len(z)
    shares = gaps(np.maximum(0, information[:, varied])) / uncertainty[varied]
    return Detailed(shares.mean(), factor=placed(shares, varied))


def _groups(factors: Integers, samples: int, rng: np.random.Generator) -> Iterator[Group]:
    for k, column in enumerate(factors.T):
        for value in np.unique(column):
            rows = np.flatnonzero(column == value)
            yield Group(k, rows, rng.permutation(rows)[:samples])


def _entropies(z: Floats, mean: Floats, std: Floats, groups: list[Group]) -> list[float]:
    """Return the entropy in nats of one code in each group; z, mean, std (M,)."""
    found = []
    for group in groups:
        density = _mixture(z[group.drawn], mean[group.rows], std[group.rows])
        found.append(float(-np.log(density / len(group.rows)).mean()))
    return found


def _mixture(
    z: Floats, mean: Floats, std: Floats, draws: int = 16, posteriors: int = 4096
) -> NDArray[np.float64]:
    """Return the sum (S,) over the posteriors (N,) of their densities at z (S,).

    No logarithm is needed on the way: every draw is near its own posterior. `draws` by `posteriors`
    numbers at a time stay in the cache.
    """
    scale = 1 / std
    total = np.zeros(len(z))
    for n in range(0, len(mean), posteriors):
        part = slice(n, n + posteriors)
        for s in range(0, len(z), draws):
            u = z[s : s + draws, None] - mean[part]
            u *= scale[part]
            np.square(u, out=u)
            u *= -0.5
            np.exp(u, out=u)
            total[s : s + draws] += u @ scale[part]
    density: NDArray[np.float64] = total / np.sqrt(2 * np.pi)
    return density
