"""`mig_chen` and `reconstruction`: what the method's own posterior and decoder tell."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from metrics.base import Detailed
from metrics.mig_chen import _mixture, mig_chen
from metrics.reconstruction import reconstruction
from tests.tables import Array, grid, rng, standard

BOARD = np.repeat(grid(4, 5), 10, axis=0)


def chen(codes: Array, std: float, factors: Array = BOARD, **protocol: int) -> Detailed:
    spread = np.full(codes.shape, std, np.float32)
    found = mig_chen(codes.astype(np.float32), spread, factors, rng(), workers=1, **protocol)
    assert isinstance(found, Detailed)
    return found


def test_narrow_posteriors_of_the_factors() -> None:
    found = chen(standard(BOARD), 0.01)
    assert found == pytest.approx(1, abs=1e-3)
    assert found.details["factor"] == pytest.approx([1, 1], abs=1e-3)


def test_posteriors_as_wide_as_the_prior_tell_nothing() -> None:
    assert chen(standard(BOARD), 1000.0) == pytest.approx(0, abs=0.02)


def test_the_wider_the_less() -> None:
    found = [chen(standard(BOARD), std) for std in (0.05, 0.3, 1.0, 3.0)]
    assert sorted(found, reverse=True) == found


def test_permuted_and_scaled() -> None:
    codes = standard(BOARD)
    value = chen(codes, 0.5)
    assert chen(codes[:, ::-1], 0.5) == pytest.approx(value, abs=0.03)
    assert chen(100 * codes, 50) == pytest.approx(value, abs=0.03)


def test_rotated_duplicated_and_constant() -> None:
    codes = standard(BOARD)
    turned = codes @ np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    assert chen(turned, 0.2) < 0.3 * chen(codes, 0.2)
    assert chen(np.hstack([codes, codes]), 0.2) == pytest.approx(0, abs=0.05)
    assert chen(np.zeros((200, 3)), 0.2) == pytest.approx(0, abs=0.02)


def test_one_dead_code_changes_nothing() -> None:
    codes = standard(BOARD)
    dead = np.hstack([codes, np.zeros((200, 1))])
    assert chen(dead, 0.3) == pytest.approx(chen(codes, 0.3), abs=0.03)


def test_a_factor_of_a_single_value_is_left_out() -> None:
    factors = np.hstack([BOARD, np.full((200, 1), 7)])
    found = chen(standard(BOARD), 0.3, factors)
    assert np.isnan(found.details["factor"]).tolist() == [False, False, True]
    with pytest.raises(ValueError, match="single value"):
        chen(standard(BOARD), 0.3, 0 * BOARD)


def test_the_mixture_is_the_sum_of_normal_densities() -> None:
    mean, std = rng(1).standard_normal(3000), np.exp(rng(2).standard_normal(3000))
    z = rng(3).standard_normal(70) * 3
    direct = logsumexp(norm.logpdf(z[:, None], mean, std), axis=1)
    for draws, posteriors in ((16, 4096), (7, 100), (70, 3000)):
        found = np.log(_mixture(z, mean, std, draws, posteriors))
        np.testing.assert_allclose(found, direct, rtol=1e-9)
    single = _mixture(z.astype("f4"), mean.astype("f4"), std.astype("f4"))
    np.testing.assert_allclose(np.log(single), direct, rtol=1e-4)


def test_it_is_the_formula_of_the_paper() -> None:
    """Every row drawn: entropies of q(z) and of q(z | v), with the noise that the metric draws."""
    codes, factors = standard(BOARD).astype(np.float32), BOARD
    z = codes + 0.4 * rng().standard_normal(codes.shape, np.float32)

    def entropies(rows: Array) -> Array:
        density = norm.pdf(z[rows][:, None], codes[rows][None], 0.4).mean(1)
        return np.asarray(-np.log(density).mean(0))

    gaps = []
    for column in factors.T:
        values = np.unique(column)
        given = np.mean([entropies(np.flatnonzero(column == value)) for value in values], axis=0)
        second, first = np.sort(np.maximum(0, entropies(np.arange(200)) - given))[-2:]
        gaps.append((first - second) / np.log(len(values)))
    assert chen(codes, 0.4).details["factor"] == pytest.approx(gaps, abs=1e-5)


def test_any_number_of_workers_gives_the_same() -> None:
    codes = standard(BOARD).astype(np.float32)
    std = np.full(codes.shape, 0.3, np.float16)
    one, two = (mig_chen(codes, std, BOARD, rng(), samples=50, workers=n) for n in (1, 2))
    assert one == two


def test_fewer_draws_estimate_the_same() -> None:
    few = np.mean([chen(standard(BOARD), 0.3, samples=n) for n in range(40, 60)])
    assert few == pytest.approx(chen(standard(BOARD), 0.3), abs=0.05)


def test_reconstruction_is_the_mean() -> None:
    errors = rng().random(1000).astype(np.float32)
    assert reconstruction(errors) == pytest.approx(errors.mean(dtype=np.float64), rel=1e-12)
