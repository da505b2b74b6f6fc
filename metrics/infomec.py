"""InfoMEC: modularity, explicitness and compactness as shares of information.

Hsu, Dorrell, Whittington, Wu & Finn, Disentanglement via Latent Quantization, NeurIPS 2023,
https://arxiv.org/abs/2305.18378, section 5; code
https://github.com/kylehkhsu/latent_quantization, disentangle/metrics/infomec.py.

Categorical codes, and all of a table of integers, are discrete latents: information from counts,
active if they vary, one-hot for the classifier. Others are continuous: nearest neighbours,
standardised.

Where the published code divides by zero: factors with a single value are left out, latents that
tell of no source share equally, a single active latent is compact, and without any active latent
all three are 0. Losses above chance (unbalanced factors) count as chance.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import METRICS
from metrics.base import Codes, Detailed, Integers, fitted, placed
from metrics.categories import Categorical, one_hot
from metrics.discretise import entropy, mutual_information
from metrics.parallel import seeds

Matrix = NDArray[np.float64]


@METRICS.register(
    "infomec",
    source="Hsu et al., Disentanglement via Latent Quantization, NeurIPS 2023, "
    "https://arxiv.org/abs/2305.18378, code https://github.com/kylehkhsu/latent_quantization",
    range=(0.0, 1.0),
    higher_is_better=True,
    protocol="latent_quantization-2",
    factors=2,
    parts=("infom", "infoe", "infoc"),
    by_name=True,
)
def infomec(
    codes: Codes,
    factors: Integers,
    rng: np.random.Generator,
    *,
    samples: int = 10_000,
    neighbours: int = 10,
    inactive: float = 1 / 20,
    categorical: Categorical = None,
) -> dict[str, float]:
    """Return InfoM, InfoE and InfoC, each in [0, 1].

    NMI (S, L) is I(source; latent) / H(source) over the S factors and the L active latents, those
    with a range above `inactive` times the largest. InfoM: the mean over latents of the largest
    share that one source has in a latent's NMI, from 1/S (all alike) at 0 to 1 (one source only).
    InfoC: the same for the latents' shares in a source's NMI. InfoE: by which part a linear
    classifier on all latents lowers the log loss of a source, mean over sources.

    Rows are drawn without replacement, for the neighbours of a repeated row are its copies; the
    number of rows is ours. Codes that tell nothing share noise: their InfoM and InfoC are far from
    0 (0.6 and 0.5 for random codes on dSprites), their InfoE is not.

    Args:
        codes: (M, L).
        factors: (M, K).
        rng: draws the rows, and the noise that tells equal floats apart.
        samples: how many rows are drawn, all if there are fewer.
        neighbours: of the estimate for continuous latents.
        inactive: the share of the largest range below which a continuous latent is left out.
        categorical: (L,) True for codes that are numbers of categories.

    Raises:
        ValueError: fewer than two factors vary in the drawn rows.
    """
    rows = rng.choice(len(codes), min(samples, len(codes)), replace=False)
    z, s = codes[rows], factors[rows]
    discrete = _discrete(z, categorical)
    varied, used = _varied(s), _active(z, discrete, inactive)
    s = s[:, varied]
    if not used.any():
        return {"infom": 0.0, "infoe": 0.0, "infoc": 0.0}
    nmi = _information(z[:, used], s, discrete[used], neighbours, rng) / entropy(s)[:, None]
    features = _features(z, discrete)
    explained = np.array([_explained(features, column) for column in s.T])
    (infom, modular), (infoc, compact) = _concentration(nmi), _concentration(nmi.T)
    return {
        "infom": Detailed(infom, code=placed(modular, used)),
        "infoe": Detailed(explained.mean(), factor=placed(explained, varied)),
        "infoc": Detailed(infoc, factor=placed(compact, varied)),
    }


def _varied(s: Integers) -> NDArray[np.bool_]:
    """Return which factors (K,) vary; ValueError if fewer than two do."""
    varied: NDArray[np.bool_] = np.ptp(s, axis=0) > 0
    n = np.count_nonzero(varied)
    if n < 2:
        raise ValueError(f"infomec needs at least 2 factors that vary; the drawn rows have {n}")
    return varied


def _discrete(z: Codes, categorical: Categorical) -> NDArray[np.bool_]:
    """Return which latents (L,) are discrete."""
    if categorical is None or z.dtype.kind in "iub":
        return np.full(z.shape[1], z.dtype.kind in "iub")
    return categorical


def _active(z: Codes, discrete: NDArray[np.bool_], inactive: float) -> NDArray[np.bool_]:
    low, high = z.min(axis=0), z.max(axis=0)
    spread = high.astype(np.float64) - low
    least = spread[~discrete].max(initial=0) * inactive
    active: NDArray[np.bool_] = spread > np.where(discrete, 0, least)
    return active


def _information(
    z: Codes,
    s: Integers,
    discrete: NDArray[np.bool_],
    neighbours: int,
    rng: np.random.Generator,
) -> Matrix:
    """Return I(source; latent) (S, L) in nats."""
    from sklearn.feature_selection import mutual_info_classif
    from sklearn.preprocessing import StandardScaler

    found = np.empty((s.shape[1], z.shape[1]))
    if discrete.any():
        values = [np.unique(column, return_inverse=True)[1] for column in z[:, discrete].T]
        found[:, discrete] = mutual_information(np.column_stack(values), s).T
    if not discrete.all():
        scaled = StandardScaler().fit_transform(z[:, ~discrete].astype(np.float64))
        found[:, ~discrete] = [
            mutual_info_classif(
                scaled, column, discrete_features=False, n_neighbors=neighbours, random_state=seed
            )
            for column, seed in zip(s.T, seeds(rng, s.shape[1]), strict=True)
        ]
    return found


def _concentration(nmi: Matrix) -> tuple[float, Matrix]:
    """Return each column's largest entry's share, 1/rows at 0 and 1 at 1, and first their mean."""
    n = len(nmi)
    if n == 1:
        return 1.0, np.ones(nmi.shape[1])
    sums = nmi.sum(axis=0)
    shares = np.divide(nmi.max(axis=0), sums, out=np.full(len(sums), 1 / n), where=sums > 0)
    return max(0.0, float((shares.mean() - 1 / n) / (1 - 1 / n))), (shares - 1 / n) / (1 - 1 / n)


def _features(z: Codes, discrete: NDArray[np.bool_]) -> Any:
    """Return the inputs of the classifier (N, any), sparse if they are one-hot."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if discrete.all():
        return OneHotEncoder().fit_transform(z)
    vectors, _ = one_hot(z[:, discrete], np.ones(np.count_nonzero(discrete), bool))
    return np.hstack([StandardScaler().fit_transform(z[:, ~discrete].astype(np.float64)), vectors])


def _explained(features: Any, source: Integers) -> float:
    """Return by which part the features lower the log loss of a source, in [0, 1]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100)
    fitted(model, features, source)
    # On zero inputs, balanced classes leave the same model with equal probabilities.
    chance = np.log(len(model.classes_))
    return max(0.0, 1 - float(log_loss(source, model.predict_proba(features))) / float(chance))
