"""UDR: cases whose score is known, and a slow implementation of the published protocol."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from benchmark.registry import METRICS
from metrics.udr import udr

Array = NDArray[Any]
Kind = Literal["lasso", "spearman"]
KINDS: tuple[Kind, ...] = ("lasso", "spearman")
BOTH = pytest.mark.parametrize("kind", KINDS)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(*sizes: int) -> NDArray[np.int64]:
    return np.indices(sizes).reshape(len(sizes), -1).T.copy()


def standard(x: Array) -> Array:
    scaled: Array = (x - x.mean(0)) / x.std(0)
    return scaled


def slow_udr(codes: list[Array], kl: list[Array], kind: Kind) -> list[float]:
    """Uninformative latents are zeroed and masked; the scores are by source, target and pair."""
    z = [standard(x) * (v > 0.01) for x, v in zip(codes, kl, strict=True)]
    pair = np.zeros((len(z), len(z)))
    for i, x in enumerate(z):
        for j, y in enumerate(z):
            R = np.zeros((x.shape[1], y.shape[1]))
            for b in np.flatnonzero(kl[j] > 0.01):
                if kind == "lasso":
                    R[:, b] = np.abs(Lasso(alpha=0.1).fit(x, y[:, b]).coef_)
                    continue
                for a in np.flatnonzero(kl[i] > 0.01):
                    R[a, b] = abs(spearmanr(x[:, a], y[:, b])[0])
            R = R[kl[i] > 0.01][:, kl[j] > 0.01]
            columns = [c.max() ** 2 / c.sum() if c.sum() > 0 else 0.0 for c in R.T]
            rows = [r.max() ** 2 / r.sum() if r.sum() > 0 else 0.0 for r in R]
            pair[i, j] = (np.mean(columns) + np.mean(rows)) / 2
    return [float(np.median(np.delete(pair[:, j], j))) for j in range(len(z))]


@BOTH
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), models=st.integers(2, 4))
def test_udr_is_the_published_protocol(kind: Kind, seed: int, models: int) -> None:
    factors = rng(seed).standard_normal((80, 3))
    codes = [
        factors @ rng(seed + m).standard_normal((3, 4)) ** 3 + rng(m).standard_normal((80, 4))
        for m in range(models)
    ]
    kl = [rng(seed + m).choice([0.0, 0.01, 0.02, 3.0], 4) for m in range(models)]
    for values in kl:
        values[0] = 1.0
    expected = slow_udr(codes, kl, kind)
    assert udr(codes, kl, correlation=kind) == pytest.approx(expected, abs=1e-9)


def test_udr_is_no_metric_of_one_run() -> None:
    assert not [name for name in METRICS.names() if "udr" in name]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda z: z, id="identity"),
        pytest.param(lambda z: z[:, [2, 0, 1]], id="permuted"),
        pytest.param(lambda z: z * [-1, 1024, 0.5] + 7, id="scaled"),
        pytest.param(lambda z: np.hstack([z, np.full((60, 1), 3.0)]), id="one dead code"),
    ],
)
@pytest.mark.parametrize(("kind", "score"), [("lasso", 0.9), ("spearman", 1.0)])
def test_udr_of_models_that_agree(
    kind: Kind, score: float, change: Callable[[Array], Array]
) -> None:
    # Lasso shrinks a standardised coefficient of 1 by its penalty, 0.1.
    z = grid(3, 4, 5).astype(float)
    assert udr([z, change(z), z], correlation=kind) == pytest.approx([score] * 3, abs=1e-9)


@BOTH
def test_udr_prefers_the_model_that_is_not_rotated(kind: Kind) -> None:
    z = standard(grid(5, 5, 5).astype(float))
    turned = z @ np.linalg.qr(rng().standard_normal((3, 3)))[0]
    value = udr([z, z[:, [1, 2, 0]], -z, turned], correlation=kind)
    assert value[3] < value[:3].min() - 0.1


def test_udr_of_duplicated_codes() -> None:
    # Rows of R: one of two is 1, sum 2, so 1/2; columns: 1.
    z = grid(4, 5).astype(float)
    value = udr([z, np.hstack([z, z])], correlation="spearman")
    assert value == pytest.approx([0.75, 0.75], abs=1e-9)


@BOTH
def test_udr_of_a_constant_model_is_zero(kind: Kind) -> None:
    z = grid(4, 5).astype(float)
    value = udr([z, np.ones((20, 2)), z], correlation=kind)
    assert value[1] == 0
    # The median of an agreeing and a collapsed partner.
    assert value[0] == pytest.approx(0.45 if kind == "lasso" else 0.5, abs=1e-9)


@BOTH
def test_udr_leaves_out_latents_without_divergence(kind: Kind) -> None:
    z = grid(4, 5).astype(float)
    noisy = np.hstack([z, rng().standard_normal((20, 1))])
    kl = [np.ones(2), np.array([1, 1, 0.01])]
    assert np.array_equal(udr([z, noisy], kl, correlation=kind), udr([z, z], correlation=kind))
    assert udr([z, noisy], correlation=kind)[1] < udr([z, z], correlation=kind)[1]


def test_udr_refuses_what_it_cannot_compare() -> None:
    z = grid(4, 5).astype(float)
    with pytest.raises(ValueError, match="at least 2 models; there are 1"):
        udr([z])
    with pytest.raises(ValueError, match=r"same rows of every model, not \[20, 19\]"):
        udr([z, z[1:]])
    with pytest.raises(ValueError, match=r"kl must have shapes \[\(2,\), \(2,\)\]"):
        udr([z, z], [np.ones(2), np.ones(3)])
    with pytest.raises(ValueError, match="unknown correlation 'pearson'; known: lasso, spearman"):
        udr([z, z], correlation="pearson")  # type: ignore[arg-type]
