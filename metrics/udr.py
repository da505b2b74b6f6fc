"""UDR: how much a model's latents agree with those of other models, without labels.

Duan et al., Unsupervised Model Selection for Variational Disentangled Representation Learning,
ICLR 2020, https://arxiv.org/abs/1905.12614, section 4; code
https://github.com/google-research/disentanglement_lib, evaluation/udr/metrics/udr.py.

No metric of one run, hence not registered: it compares runs that differ in seed only (for the
choice of hyper-parameters, per setting; UDR-A2A: across settings), on the same rows.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.base import Codes

Matrix = NDArray[np.float64]
CORRELATIONS = ("lasso", "spearman")
SMALLEST = 1e-7
"""The least standard deviation: a half-precision number may have lost a smaller one to 0."""


def udr(
    codes: Sequence[Codes],
    kl: Sequence[NDArray[np.floating]] | None = None,
    *,
    correlation: Literal["lasso", "spearman"] = "lasso",
    alpha: float = 0.1,
    threshold: float = 0.01,
) -> Matrix:
    """Return the score (n,) of each of n models, in [0, 1] for "spearman"; higher is better.

    A latent is informative if its mean KL divergence from the prior exceeds `threshold`. R
    (L_i, L_j) is how model i's informative latents predict those of model j: absolute Lasso
    coefficients, or absolute rank correlations. A pair's score is the mean of max^2 / sum over the
    rows and the columns of R, each side's mean first; a model's is the median over the others.
    Lasso coefficients of standardised latents hardly exceed 1, but nothing bounds them.

    A pair scores 0 if either model has no informative latent, where the published code stops; so
    does a row or column of zeros, as published. Latents that never change are not informative,
    with or without `kl`. Quadratic in the number of models. The published number of rows is 1,000.

    Args:
        codes: of every model, (N, L), the means of the posterior on the same N rows; L may differ.
        kl: of every model, (L,) in nats, mean over the rows; None: every latent that changes.
        correlation: "lasso" or "spearman".
        alpha: Lasso's penalty on standardised latents.
        threshold: in nats.

    Raises:
        ValueError: fewer than two models, not the same rows, `kl` of other shapes, or another
            correlation.
    """
    _check(codes, kl, correlation)
    chosen = [
        _informative(z, None if kl is None else kl[i], threshold) for i, z in enumerate(codes)
    ]
    relate = _spearman if correlation == "spearman" else partial(_lasso, alpha=alpha)
    pairs = [[np.nan if x is y else _agreement(relate(x, y)) for y in chosen] for x in chosen]
    scores: Matrix = np.nanmedian(pairs, axis=0)
    return scores


def _check(
    codes: Sequence[Codes], kl: Sequence[NDArray[np.floating]] | None, correlation: str
) -> None:
    if correlation not in CORRELATIONS:
        raise ValueError(f"unknown correlation {correlation!r}; known: {', '.join(CORRELATIONS)}")
    if len(codes) < 2:
        raise ValueError(f"udr compares at least 2 models; there are {len(codes)}")
    if len({len(z) for z in codes}) > 1:
        raise ValueError(f"udr needs the same rows of every model, not {[len(z) for z in codes]}")
    shapes = [(z.shape[1],) for z in codes]
    if kl is not None and [np.shape(values) for values in kl] != shapes:
        raise ValueError(f"kl must have shapes {shapes}, not {[np.shape(values) for values in kl]}")


def _informative(z: Codes, kl: NDArray[np.floating] | None, threshold: float) -> Matrix:
    """Return the informative latents (N, L'), standardised."""
    keep = np.ptp(z, axis=0) > 0
    if kl is not None:
        keep &= kl > threshold
    kept = z[:, keep].astype(np.float64)
    standardised: Matrix = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    return standardised


def _lasso(x: Matrix, y: Matrix, alpha: float) -> Matrix:
    """Return the absolute coefficients (L_i, L_j) of x's latents for y's."""
    from sklearn.linear_model import Lasso

    if not (x.shape[1] and y.shape[1]):
        return np.zeros((x.shape[1], y.shape[1]))
    coefficients = Lasso(alpha=alpha).fit(x, y).coef_
    return np.abs(np.reshape(coefficients, (y.shape[1], x.shape[1]))).T


def _spearman(x: Matrix, y: Matrix) -> Matrix:
    """Return the absolute rank correlations (L_i, L_j)."""
    from scipy.stats import rankdata

    a, b = (rankdata(z, axis=0) for z in (x, y))
    a, b = ((ranks - ranks.mean(axis=0)) / ranks.std(axis=0) for ranks in (a, b))
    correlations: Matrix = np.abs(a.T @ b) / len(x)
    return correlations


def _agreement(R: Matrix) -> float:
    """Return the mean of max^2 / sum over columns and over rows, and the mean of the two."""
    if not R.size:
        return 0.0
    return (_strength(R) + _strength(R.T)) / 2


def _strength(R: Matrix) -> float:
    sums = R.sum(axis=0)
    shares = np.divide(R.max(axis=0) ** 2, sums, out=np.zeros_like(sums), where=sums > 0)
    return float(shares.mean())


def mean_kl(mean: NDArray[np.floating], std: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the KL divergence (L,) of posteriors N(mean, std^2) (M, L) from N(0, 1), in nats."""
    mu = mean.astype(np.float64)
    variance = np.maximum(std.astype(np.float64), SMALLEST) ** 2
    kl: NDArray[np.float64] = (mu**2 + variance - 1 - np.log(variance)).mean(axis=0) / 2
    return kl
