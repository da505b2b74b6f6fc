"""How much the codes tell of one another, without labels, as disentanglement_lib computes it.

Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations, 2019, https://arxiv.org/abs/1811.12359, section 5.3, code
https://github.com/google-research/disentanglement_lib, evaluation/metrics/unsupervised_metrics.py.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes
from metrics.discretise import discretise, mutual_information

SOURCE = (
    "Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of "
    "Disentangled Representations, 2019, https://arxiv.org/abs/1811.12359, code "
    "https://github.com/google-research/disentanglement_lib"
)
FACTS: dict[str, Any] = {
    "source": SOURCE,
    "higher_is_better": False,
    "protocol": "disentanglement_lib-1",
    "factors": 0,
    "by_name": True,
}
Matrix = NDArray[np.float64]


@METRICS.register("gaussian_tc", range=(0.0, np.inf), **FACTS)
def gaussian_tc(codes: Codes, rng: np.random.Generator, *, samples: int = 10_000) -> float:
    """Return the total correlation of the Gaussian with the codes' covariance, in nats, >= 0.

    0: no two codes are correlated; scaling or permuting codes changes nothing. Codes of which one
    is a linear function of the others have an infinite one; eigenvalues of the correlation matrix
    below float64's precision count as that precision, so the score is large and finite instead
    (18 nats for a duplicated code). Constant codes share nothing and are left out, where the
    published code returns nan; without any other code the score is 0.

    Args:
        codes: (M, L).
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
    """
    z = _draw(codes, rng, samples)
    z = z[:, np.ptp(z, axis=0) > 0]
    if z.shape[1] < 2:
        return 0.0
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(z, rowvar=False))
    precision = z.shape[1] * np.finfo(np.float64).eps
    return max(0.0, -0.5 * float(np.log(np.maximum(eigenvalues, precision)).sum()))


@METRICS.register("wasserstein", range=(0.0, np.inf), **FACTS)
def wasserstein(codes: Codes, rng: np.random.Generator, *, samples: int = 10_000) -> float:
    """Return the Gaussian Wasserstein correlation: squared units of the codes, >= 0.

    The squared 2-Wasserstein distance between the Gaussian with the codes' covariance S and the
    one with its diagonal D only: 2 tr S - 2 tr (D S)^(1/2). 0: no two codes are correlated. It
    grows with the square of the codes' scale; `wasserstein_norm` does not.

    Args:
        codes: (M, L).
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
    """
    return _wasserstein(_covariance(_draw(codes, rng, samples)))


@METRICS.register("wasserstein_norm", range=(0.0, 2.0), **FACTS)
def wasserstein_norm(codes: Codes, rng: np.random.Generator, *, samples: int = 10_000) -> float:
    """Return the Gaussian Wasserstein correlation divided by the codes' total variance, in [0, 2).

    0: no two codes are correlated, or all are constant (there the published code returns nan).
    2 - 2 / sqrt(L) for L times the same code.

    Args:
        codes: (M, L).
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
    """
    S = _covariance(_draw(codes, rng, samples))
    return _wasserstein(S) / float(np.trace(S)) if S.any() else 0.0


@METRICS.register("mutual_information_codes", range=(0.0, float(np.log(20))), **FACTS)
def mutual_information_codes(
    codes: Codes, rng: np.random.Generator, *, samples: int = 10_000, bins: int = 20
) -> float:
    """Return the mean mutual information of two different codes, in nats, from 0 to log `bins`.

    Unlike the Gaussian scores it sees dependence without correlation. Counting biases it upwards:
    independent codes score 0.018. Quadratic in the number of codes: hours for raw pixels.

    Args:
        codes: (M, L).
        rng: draws the rows, with replacement.
        samples: how many rows are drawn.
        bins: of equal width, over each code's own range in the drawn rows.

    Raises:
        ValueError: there is one code only.
    """
    L = codes.shape[1]
    if L < 2:
        raise ValueError("mutual_information_codes needs at least 2 codes; the table has 1")
    binned = discretise(codes[rng.integers(len(codes), size=samples)], bins)
    information = mutual_information(binned, binned.astype(np.int64))
    np.fill_diagonal(information, 0)
    return float(information.sum() / (L * (L - 1)))


def _draw(codes: Codes, rng: np.random.Generator, samples: int) -> Matrix:
    return codes[rng.integers(len(codes), size=samples)].astype(np.float64)


def _covariance(z: Matrix) -> Matrix:
    """Return the covariance (L, L), that of constant codes exactly 0."""
    S = np.atleast_2d(np.cov(z, rowvar=False))
    still = np.ptp(z, axis=0) == 0
    S[still] = S[:, still] = 0
    return S


def _wasserstein(S: Matrix) -> float:
    # (D S)^(1/2) has the eigenvalues of the root of the symmetric D^(1/2) S D^(1/2).
    scale = np.sqrt(np.diag(S))
    roots = np.sqrt(np.maximum(0, np.linalg.eigvalsh(scale[:, None] * S * scale)))
    return max(0.0, 2 * float(np.trace(S)) - 2 * float(roots.sum()))
