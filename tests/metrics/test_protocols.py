"""The metrics against disentanglement_lib's protocols, written a second time, slowly."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from benchmark.registry import METRICS
from metrics import factorvae as factorvae_module
from metrics.base import score
from metrics.draws import partners
from metrics.explicitness import explicitness
from metrics.factorvae import factorvae
from metrics.irs import irs
from metrics.modularity import modularity
from metrics.sap import sap
from tests.tables import Array, agree, grid, noisy_mixture, rng

CODE_METRICS = ("betavae", "factorvae", "mig", "sap", "modularity", "explicitness", "irs")


def uneven(M: int = 700, seed: int = 3) -> tuple[Array, Array]:
    """A table that is no grid: dependent factors, odd values, a noisy code, a mixture, a dead one.

    The last factor has two values.
    """
    source = rng(seed)
    v = np.minimum(source.poisson(2.5, size=(M, 3)), [6, 4, 1])
    v[:, 1] = (v[:, 0] + v[:, 1]) // 2
    clean = v + 0.2 * source.standard_normal(v.shape)
    codes = np.column_stack([clean, clean[:, 0] - clean[:, 1], np.full(M, 0.3), v[:, 0] * 30.0])
    return codes.astype(np.float32), v * 3 - 2


def slow_sap(codes: Array, factors: Array, seed: int, train: int, test: int) -> float:
    rows = rng(seed).integers(len(codes), size=train + test)
    fit, new = rows[:train], rows[train:]
    gaps = []
    for v in factors.T:
        accuracies = []
        for z in codes.T:
            machine = LinearSVC(C=0.01, class_weight="balanced")
            machine.fit(z[fit, None], v[fit])
            accuracies.append(np.mean(machine.predict(z[new, None]) == v[new]))
        accuracies.sort()
        gaps.append(accuracies[-1] - accuracies[-2])
    return float(np.mean(gaps))


@pytest.mark.parametrize("seed", range(4))
def test_sap_is_the_published_protocol(seed: int) -> None:
    codes, factors = uneven(seed=seed)
    value = sap(codes, factors, rng(seed), train=600, test=500)
    assert value == pytest.approx(slow_sap(codes, factors, seed, 600, 500), abs=1e-9)
    assert value > 0.02


def test_sap_counts_a_value_that_no_training_row_has_as_wrong() -> None:
    rows = rng().integers(400, size=60)
    factors = np.zeros((400, 1), int)
    factors[rows[:20]] = 1
    new = np.setdiff1d(rows[40:], rows[:40])
    factors[new] = 2
    value = sap(factors.astype(float), factors, rng(), train=40, test=20)
    known = factors[rows[40:], 0] < 2
    # The code separates 0 and 1, the second best is none.
    assert value == known.mean()
    assert 0 < value < 1


# The FactorVAE metric.


def slow_votes(codes: Array, rows: Array, scale: Array) -> list[int]:
    votes = []
    for batch in rows:
        parts = [
            np.inf if np.sqrt(s) < 0.05 else sum((z - z.mean()) ** 2) / (len(z) - 1) / s
            for z, s in zip(codes[batch].astype(float).T, scale, strict=True)
        ]
        votes.append(int(np.argmin(parts)))
    return votes


@pytest.mark.parametrize("seed", range(3))
def test_factorvae_is_the_published_protocol_to_the_vote(seed: int) -> None:
    codes, factors = uneven(seed=seed)
    codes = codes.astype(float) + 0.5 * rng(seed).standard_normal(codes.shape)
    codes[:, 4] = 0.04 * rng(seed).standard_normal(len(codes))
    value = factorvae(codes, factors, rng(seed), batch=9, train=300, evaluation=200, variance=500)
    source = rng(seed)
    scale = codes[source.integers(len(codes), size=500)].var(0, ddof=1)
    fixed = source.integers(3, size=500)
    votes = slow_votes(codes, factorvae_module._draw(factors, fixed, 9, source), scale)
    assert 4 not in votes
    table = np.zeros((3, 6), int)
    for k, vote in zip(fixed[:300], votes[:300], strict=True):
        table[k, vote] += 1
    right = [table[:, v].argmax() == k for k, v in zip(fixed[300:], votes[300:], strict=True)]
    assert value == pytest.approx(np.mean(right), abs=1e-12)
    assert 0.4 < value < 1


def test_factorvae_samples_as_published() -> None:
    """As disentanglement_lib does on a grid: factors drawn, then images."""
    codes, factors = noisy_mixture()
    sizes = np.array([4, 5, 6])

    def theirs(seed: int) -> float:
        source = rng(seed)
        scale = codes[source.integers(len(codes), size=2000)].var(0, ddof=1)
        fixed = source.integers(3, size=1000)
        v = source.integers(sizes, size=(1000, 8, 3))
        for k, batch in zip(fixed, v, strict=True):
            batch[:, k] = batch[0, k]
        votes = slow_votes(codes, np.ravel_multi_index(tuple(np.moveaxis(v, 2, 0)), sizes), scale)
        table = np.zeros((3, 3), int)
        np.add.at(table, (fixed[:500], np.array(votes[:500])), 1)
        return float(np.mean(table.argmax(0)[votes[500:]] == fixed[500:]))

    few: dict[str, Any] = {"batch": 8, "train": 500, "evaluation": 500, "variance": 2000}
    ours = [factorvae(codes, factors, rng(seed), **few) for seed in range(5)]
    assert 0.4 < np.mean(ours) < 0.97
    assert agree(ours, [theirs(seed + 100) for seed in range(5)])


def test_rows_of_a_vote_agree_in_the_fixed_factor_only() -> None:
    factors = grid(3, 4, 5)[rng().permutation(60)[:50]]
    fixed = rng(1).integers(3, size=300)
    rows = factorvae_module._draw(factors, fixed, 16, rng(2))
    assert rows.shape == (300, 16)
    same = np.ptp(factors[rows], axis=1) == 0
    assert np.array_equal(same, fixed[:, None] == np.arange(3))


def test_the_value_of_a_vote_is_that_of_a_random_row() -> None:
    factors = np.repeat([[0], [1]], [900, 100], axis=0)
    rows = factorvae_module._draw(factors, np.zeros(4000, int), 2, rng())
    assert factors[rows].mean() == pytest.approx(0.1, abs=0.02)


def test_partners_of_one_row_are_several_and_uniform() -> None:
    column = np.array([7, 7, 1, 7, 1])
    drawn = partners(column, np.array([[0], [2]]), rng(), (2, 30_000))
    shares = [np.bincount(row, minlength=5) / 30_000 for row in drawn]
    expected = np.array([[1 / 3, 1 / 3, 0, 1 / 3, 0], [0, 0, 1 / 2, 0, 1 / 2]])
    assert np.abs(np.array(shares) - expected).max() < 0.015


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
def test_the_stillest_code_does_not_depend_on_the_block(kind: str) -> None:
    codes = (rng().random((80, 7)) * 200).astype(kind)
    codes[:, 2] = 5
    rows = rng(1).integers(80, size=(60, 6))
    scale = codes.var(0, ddof=1)
    expected = slow_votes(codes, rows, scale)
    scale = np.where(scale > 0, scale, np.nan)
    for block in (1, 500, 10**6):
        still = factorvae_module._least(codes, rows, np.arange(7), scale, block)
        assert still.tolist() == expected


# Modularity, explicitness, IRS.


@pytest.mark.parametrize("seed", range(4))
def test_modularity_is_the_published_protocol(seed: int) -> None:
    codes, factors = uneven(seed=seed)
    value = modularity(codes, factors, rng(seed), samples=600, bins=11)
    rows = rng(seed).integers(len(codes), size=600)
    terms = []
    for z in codes[rows].T:
        binned = np.digitize(z, np.histogram(z, 11)[1][:-1])
        squares = [mutual_info_score(v, binned) ** 2 for v in factors[rows].T]
        most = max(squares)
        terms.append(0 if most < 1e-20 else 1 - (sum(squares) - most) / (most * 2))
    assert value == pytest.approx(np.mean(terms), abs=1e-9)
    assert terms[4] == 0
    assert 0.3 < value < 0.9


def test_modularity_of_codes_that_tell_nothing_is_zero() -> None:
    factors = np.tile(grid(3, 4, 5), (7, 1))
    for samples in range(50, 70):
        codes = rng().random((1, 6)).repeat(420, axis=0)
        assert modularity(codes, factors, rng(), samples=samples) == 0


@pytest.mark.parametrize("seed", range(3))
def test_explicitness_is_the_published_protocol(seed: int) -> None:
    codes, factors = uneven(seed=seed)
    value = explicitness(codes, factors, rng(seed), train=400, test=300)
    rows = rng(seed).integers(len(codes), size=700)
    alive = codes[rows][:, [0, 1, 2, 3, 5]].astype(float)
    x = (alive - alive[:400].mean(0)) / alive[:400].std(0)
    means = []
    for v in factors[rows].T:
        scores = LogisticRegression().fit(x[:400], v[:400]).predict_proba(x[400:]).T
        truth = [v[400:] == one for one in np.unique(v[:400])]
        pairs = [(t, s) for t, s in zip(truth, scores, strict=True) if t.any()]
        means.append(np.mean([roc_auc_score(t, s) for t, s in pairs]))
    assert value == pytest.approx(np.mean(means), abs=1e-9)
    assert 0.7 < value < 1


def test_explicitness_leaves_out_a_value_that_one_side_lacks() -> None:
    factors = np.array([[0], [1]] * 200)
    factors[7] = 2
    drawn = factors[rng().integers(400, size=4020), 0]
    assert set(drawn[:4000]) == {0, 1, 2}
    assert set(drawn[4000:]) == {0, 1}
    codes = np.eye(3)[factors[:, 0]]
    assert explicitness(codes, factors, rng(), train=4000, test=20) == 1


@pytest.mark.parametrize("quantile", [0.99, 1.0, 0.5])
def test_irs_is_the_published_protocol(quantile: float) -> None:
    codes, factors = uneven()
    value = irs(codes, factors, rng(5), samples=500, bins=4, quantile=quantile)
    rows = rng(5).integers(len(codes), size=500)
    scores, weights = [], []
    for z in codes[rows][:, [0, 1, 2, 3, 5]].astype(float).T:
        largest = max(abs(z - z.mean()))
        parts = []
        for v in factors[rows].T:
            held = np.digitize(v, np.histogram(v, 4)[1][:-1])
            groups = [z[held == g] for g in np.unique(held)]
            parts.append(np.mean([np.quantile(abs(g - g.mean()), quantile) for g in groups]))
        scores.append(1 - min(parts) / largest)
        weights.append(largest)
    expected = np.dot(scores, weights) / np.sum(weights)
    assert value == pytest.approx(expected, abs=1e-6)
    exact = irs(codes.astype(float), factors, rng(5), samples=500, bins=4, quantile=quantile)
    assert exact == pytest.approx(expected, abs=1e-9)


# All metrics of codes.


@pytest.mark.parametrize("name", CODE_METRICS)
def test_threads_do_not_change_a_score(name: str) -> None:
    codes, factors = uneven()
    table: dict[str, Array] = {"codes": codes, "factors": factors}
    values = set()
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            values.add(score(METRICS[name], table, rng(7))[name])
    assert len(values) == 1


@pytest.mark.parametrize("name", CODE_METRICS)
def test_no_metric_touches_the_global_generator(name: str) -> None:
    codes, factors = uneven()
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    position = np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002
    score(METRICS[name], {"codes": codes, "factors": factors}, rng())
    after = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    assert np.array_equal(after["key"], before)
    assert after["pos"] == position
