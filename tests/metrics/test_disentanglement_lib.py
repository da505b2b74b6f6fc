"""Our metrics beside disentanglement_lib's own code, which is fetched for it from the index."""

import importlib
from typing import Any

import numpy as np
import pytest

from metrics import dci
from tests.dlib import Images, errors, install, ours, theirs
from tests.tables import grid, rng, rotation, standard

pytestmark = pytest.mark.slow

FACTORS = grid(3, 4, 6, 6)
NOISE = rng(1).standard_normal((len(FACTORS), 6))
CODES = {
    "rotated": standard(FACTORS) @ rotation(4),
    "noisy": 3 * standard(FACTORS)[:, [3, 1, 0, 2]] + NOISE[:, :4],
    "two for one": standard(FACTORS)[:, [0, 1, 2, 3, 3, 0]] * [1, 1, 1, 1, 1, 0] + 0.3 * NOISE,
}
UNSUPERVISED = "gaussian_tc,wasserstein,wasserstein_norm,mutual_information_codes"


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory: pytest.TempPathFactory) -> None:
    if (reason := install(tmp_path_factory.mktemp("library"))) is not None:
        pytest.skip(reason)


class InOrder(np.random.Generator):
    """Draws the rows of a table one after another."""

    def integers(self, low: Any, *, size: Any) -> Any:  # type: ignore[override]
        return np.arange(size) % low


@pytest.mark.parametrize("table", CODES)
@pytest.mark.parametrize(
    ("name", "few", "settings", "error"),
    [
        ("mig", {}, [], 1e-9),
        ("sap", {"train": 1000}, ["sap_score.num_train = 1000"], 1e-9),
        ("modularity,explicitness", {}, [], 1e-9),
        ("irs", {}, [], 1e-9),
        (UNSUPERVISED, {}, [], 1e-9),
        (
            "downstream",
            {"sizes": (100, 100), "workers": 1},
            ["downstream_task.num_train = [100]"],
            1e-9,
        ),
    ],
)
def test_the_same_rows_give_the_same_score(
    name: str, few: dict[str, Any], settings: list[str], error: float, table: str
) -> None:
    order = rng(4).permutation(len(FACTORS))
    codes, factors = CODES[table][order], FACTORS[order]
    mine = ours(name, codes, factors, InOrder(np.random.PCG64(0)), **few)
    other = theirs(name, codes, Images(factors, in_order=True), 0, settings)
    assert other
    for row, value in other.items():
        assert mine[row] == pytest.approx(value, abs=error), row


SCOPES = {"betavae": "beta_vae_sklearn", "factorvae": "factor_vae_score", "dci": "dci"}
VOTES = ["num_train = 500", "num_eval = 500", "batch_size = 8"]


@pytest.mark.parametrize(
    ("name", "table", "few", "settings"),
    [
        *[
            ("betavae", table, {"train": 500, "evaluation": 500, "pairs": 8}, VOTES)
            for table in CODES
        ],
        *[
            ("factorvae", table, {"train": 500, "evaluation": 500, "batch": 8}, VOTES)
            for table in CODES
        ],
        (
            "dci",
            "two for one",
            {"train": 200, "test": 500, "workers": 1},
            ["num_train = 200", "num_test = 500"],
        ),
    ],
)
def test_as_many_rows_give_a_score_within_the_spread(
    name: str, table: str, few: dict[str, Any], settings: list[str]
) -> None:
    theirs_few = [f"{SCOPES[name]}.{setting}" for setting in settings]
    codes, images = CODES[table], Images(FACTORS)
    seeds = range(3 if name == "dci" else 5)
    mine = [ours(name, codes, FACTORS, rng(seed), **few) for seed in seeds]
    other = [theirs(name, codes, images, seed, theirs_few) for seed in seeds]
    for row in other[0]:
        a, b = (np.array([scores[row] for scores in side]) for side in (mine, other))
        # Five that have one mean are further apart once in a thousand times.
        assert errors(a, b) < 5, (row, a, b)


def test_the_same_importances_give_the_same_dci() -> None:
    library = importlib.import_module("disentanglement_lib.evaluation.metrics.dci")
    R = rng(5).random((6, 4)) * [1, 0.1, 1, 1]
    R[3], R[4, 1:] = 0, 0
    found = dci.scores({k: (column, 0.5) for k, column in enumerate(R.T)}, 4)
    assert found["disentanglement"] == pytest.approx(library.disentanglement(R), abs=1e-9)
    assert found["completeness"] == pytest.approx(library.completeness(R), abs=1e-9)
