"""The studies of claims: that each gives what it says, what becomes of it, and that some hold."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.claims import (
    colouring,
    disentanglement,
    gan_images,
    gan_theory,
    reproduce,
    vae_theory,
)
from benchmark.claims.base import Lab, log
from benchmark.claims.expected import NOT_TESTED, Expected, Reached, Reported, stands
from benchmark.config.run import Run
from benchmark.evaluation import factor_classifier
from benchmark.registry import CLAIMS, METHODS, UserError
from benchmark.training.batches import Batches
from benchmark.training.loop import Diverged
from datasets import Dataset, Grid, Spec, Table
from datasets.mnist_hues import COLOURS, Hues
from methods.base import Batch, Method, normal_codes
from results.store import Folder

CPU = torch.device("cpu")
LONG = ("betavae-table",)


@pytest.fixture
def small(dsprites: Dataset) -> Grid:
    """Return 384 images of dSprites, a grid of the same factors with fewer values."""
    sizes = (3, 2, 4, 4, 4)
    chosen = np.indices(sizes).reshape(5, -1).T * np.array([1, 5, 10, 10, 10])
    assert isinstance(dsprites, Grid)
    spec = Spec("dsprites", dsprites.shape, 2, dsprites.factor_names, sizes, "shape", grid=True)
    return Grid(spec, dsprites.packed[dsprites.index(chosen)])


@pytest.fixture
def digits() -> Table:
    """Return 400 images in the form of MNIST, each with a bar where its digit says."""
    label = np.arange(400)[:, None] % 10
    x = np.random.default_rng(0).integers(0, 80, (400, 28, 28), dtype=np.uint8)
    for image, digit in zip(x, label[:, 0], strict=True):
        image[:, 2 * digit + 2 : 2 * digit + 5] += 170
    spec = Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), "digit")
    return Table(spec, x.reshape(400, -1), label, np.arange(300), np.arange(300, 400))


@pytest.fixture
def lab(
    tmp_path: Path, small: Grid, digits: Table, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(factor_classifier, "STEPS", 60)
    loaded = {"dsprites": small, "mnist": digits, "mnist_hues": Hues(digits), "toy": toy}
    return Lab(tmp_path / "runs", CPU, _loaded=loaded)


@pytest.fixture
def hasty(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a lab where everything is trained for two steps, on few images."""
    run = Lab.run

    def two(self: Lab, method: str, dataset: str, seed: int, steps: int, **given: Any) -> Run:
        if method == "annealedvae":
            given["c_steps"] = 2
        return run(self, method, dataset, seed, 2, **given)

    monkeypatch.setattr(Lab, "run", two)
    for module, name, value in (
        (gan_theory, "STEPS", 2),
        (gan_theory, "BATCH", 64),
        (gan_theory, "SAMPLES", 500),
        (disentanglement, "IMAGES", 64),
        (disentanglement, "BATCHES", 3),
        (disentanglement, "STEPS", 2),
        (vae_theory, "IMAGES", 32),
        (vae_theory, "LATE", 0),
        (gan_images, "TRAIN", 100),
        (gan_images, "TEST", 100),
        (colouring, "COLOURED", 8),
    ):
        monkeypatch.setattr(module, name, value)
    return lab


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
        for name in CLAIMS.names()
    ],
)
def test_a_study_gives_what_it_says(name: str, hasty: Lab) -> None:
    facts = CLAIMS[name].facts
    found = CLAIMS[name].value(hasty, 0)
    assert set(found) == set(facts["expected"])
    assert all(math.isfinite(value) for value in found.values())
    assert "https://" in CLAIMS[name].source
    assert facts["minutes"] > 0
    assert facts["seeds"] >= 3
    assert all(expected.low < expected.high for expected in facts["expected"].values())


def test_the_claims_that_there_should_be() -> None:
    assert set(CLAIMS.names()) >= {
        *("gan-optimum", "wgan-distance", "wgan-gp-norm", "cgan-label", "dcgan-features"),
        *("infogan-mi", "infogan-c1", "betavae-beta", "annealedvae-capacity", "factorvae-tc"),
        *("betatcvae-tc", "dcign-factors", "pix2pix-colouring", "betavae-table"),
    }


@pytest.mark.slow
def test_a_claim_holds(tmp_path: Path) -> None:
    rows = reproduce.reproduce(["gan-optimum"], [0], Lab(tmp_path, CPU), tmp_path / "found.csv")
    assert set(rows["verdict"]) == {"holds"}


def test_what_is_trained_once_is_kept(lab: Lab) -> None:
    method, folder = lab.train("vae", "toy", 0, 100)
    written = folder.model().stat().st_mtime_ns
    again, same = lab.train("vae", "toy", 0, 100)
    assert (same.path, same.model().stat().st_mtime_ns) == (folder.path, written)
    for one, other in zip(method.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert log(folder)["loss_elbo"].iloc[-1] > 0


class TestOracle:
    def test_it_reads_what_it_has_learned(self, lab: Lab) -> None:
        oracle = lab.oracle("mnist")
        assert oracle.accuracy[0] > 0.9
        rows = np.arange(300, 400)
        x = torch.from_numpy(lab.data("mnist").images(rows)) / 255
        assert (oracle.read(x)[:, 0] == rows % 10).mean() == pytest.approx(oracle.accuracy[0])

    def test_it_is_trained_once(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        first = lab.oracle("toy")
        monkeypatch.setattr(factor_classifier, "_train", None)
        again = lab.oracle("toy")
        assert again.accuracy == first.accuracy
        assert len(first.accuracy) == 4
        x = lab.images("toy", lab.sample("toy", 20, 0))
        assert np.array_equal(first.read(x), again.read(x))

    def test_a_data_set_without_factors(self, lab: Lab) -> None:
        spec = Spec("faces", (3, 8, 8), 256, (), ())
        bare = Table(spec, np.zeros((4, 192), np.uint8), np.zeros((4, 0), int), *[np.arange(4)] * 2)
        with pytest.raises(UserError, match="faces has no factors"):
            factor_classifier.trained_classifier(bare, CPU)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a claim of two quantities for the time of a test."""
    CLAIMS.names()
    entries = dict(CLAIMS._entries)
    monkeypatch.setattr(CLAIMS, "_entries", entries)
    expected = {"half": Expected("0.5", 0.4, 0.6), "seed": Expected("above 5", 5)}

    def made(lab: Lab, seed: int) -> dict[str, float]:
        return {"half": 0.5, "seed": seed}

    CLAIMS.register("made", source="https://x", says="x", minutes=1, expected=expected)(made)
    return "made"


class TestTable:
    def test_a_verdict_is_of_the_mean(self, study: str, lab: Lab, tmp_path: Path) -> None:
        to = tmp_path / "found.csv"
        half, seed = reproduce.reproduce([study], [1, 2, 9], lab, to).to_records(index=False)
        assert (half.verdict, seed.verdict) == ("holds", "does not hold")
        assert (seed.ours, seed.values, seed.seeds) == (4.0, "1 2 9", "1 2 9")
        low, high = map(float, seed.interval.split(" to "))
        assert low < 4 < high
        assert reproduce.stored(to)["quantity"].tolist() == ["half", "seed"]

    def test_a_claim_says_how_many_seeds_it_needs(
        self, study: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = reproduce.reproduce([study], None, lab, tmp_path / "found.csv")
        assert set(rows["seeds"]) == {"0 1 2"}
        assert reproduce.minutes([study], None) == "3 minutes on two cores (made 3)"
        more = replace(CLAIMS[study], facts={**CLAIMS[study].facts, "seeds": 5})
        monkeypatch.setitem(CLAIMS._entries, study, more)
        rows = reproduce.reproduce([study], None, lab, tmp_path / "found.csv")
        assert set(rows["seeds"]) == {"0 1 2 3 4"}

    def test_a_reason_is_of_what_does_not_hold(
        self, study: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        why = "seeds are small numbers"
        expected = {"half": Expected("0.5", 0.4, 0.6, reason=why), "seed": Expected("", 5)}
        expected["seed"] = replace(expected["seed"], reason=why)
        facts = {**CLAIMS[study].facts, "expected": expected}
        monkeypatch.setitem(CLAIMS._entries, study, replace(CLAIMS[study], facts=facts))
        rows = reproduce.reproduce([study], None, lab, tmp_path / "found.csv")
        assert rows["reason"].tolist() == ["", why]
        assert f"| 0 1 2 | does not hold: {why} |" in reproduce.markdown(rows)

    def test_a_table_from_before_there_were_reasons_is_read(
        self, study: str, lab: Lab, tmp_path: Path
    ) -> None:
        to = tmp_path / "found.csv"
        rows = reproduce.reproduce([study], [0], lab, to)
        rows.drop(columns="reason").to_csv(to, index=False)
        assert reproduce.stored(to)["reason"].tolist() == ["", ""]
        assert list(reproduce.stored(to)) == reproduce.COLUMNS

    def test_a_claim_takes_the_place_of_its_older_rows(
        self, study: str, lab: Lab, tmp_path: Path
    ) -> None:
        to = tmp_path / "found.csv"
        for seeds in ([1], [7]):
            reproduce.reproduce([study], seeds, lab, to)
        assert reproduce.stored(to)["values"].tolist() == ["0.5", "7"]

    def test_what_diverges_does_not_hold(
        self, study: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def diverge(*_: object) -> Any:
            raise Diverged(7, "loss is nan")

        entry = replace(CLAIMS[study], value=diverge)
        monkeypatch.setitem(CLAIMS._entries, study, entry)
        rows = reproduce.reproduce([study], [0], lab, tmp_path / "found.csv")
        assert rows["verdict"].tolist() == ["does not hold"] * 2

    def test_a_folder_is_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="cannot read"):
            reproduce.stored(tmp_path)

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "my notes\n"])
    def test_another_file_is_left_alone(self, tmp_path: Path, text: str) -> None:
        mine = tmp_path / "mine.csv"
        mine.write_text(text)
        with pytest.raises(UserError, match=r"mine\.csv is not a table of reproduced claims"):
            reproduce.stored(mine)


def test_a_folder_of_a_claim_is_a_run_folder(lab: Lab) -> None:
    method, folder = lab.train("pca", "toy", 0, 0)
    assert isinstance(method, Method)
    assert isinstance(folder, Folder)
    assert folder.config["run"]["method"] == "pca"
    assert METHODS["pca"].value.sees == folder.config["sees"]


class TestVerdict:
    def test_what_is_not_a_number_does_not_hold(self) -> None:
        assert Expected("x").verdict([0.0, math.nan]) == "does not hold"

    def test_what_was_trained_too_briefly_is_not_tested(self) -> None:
        assert Expected("1", 0.9, 1.1, tested=False).verdict([0.2]) == NOT_TESTED
        assert Expected("1", 0.9, 1.1, tested=False).verdict([1.0]) == NOT_TESTED

    def test_trained_rows_of_a_published_table_are_not_tested_on_two_cores(self) -> None:
        expected = CLAIMS["betavae-table"].facts["expected"]
        untested = {name for name, what in expected.items() if not what.tested}
        assert untested == {"dcign", "infogan", "vae", "betavae"}

    @pytest.mark.parametrize(
        ("reached", "n", "verdict"),
        [
            (15, 20, "holds"),
            (14, 20, "reached by 14 of 20"),
            (4, 4, "holds"),
            (3, 3, "reached by 3 of 3"),
            (0, 3, "reached by 0 of 3"),
        ],
    )
    def test_most_runs_reach_it(self, reached: int, n: int, verdict: str) -> None:
        """The lower end of Wilson's interval is 0.531 of 15 of 20, and 0.481 of 14."""
        expected = Reached("0.95", 0.95, 1)
        values = [0.95] * reached + [0.9499, math.nan, *[0.5] * n][: n - reached]
        assert expected.ours(values) == reached / n
        assert expected.verdict(values) == verdict

    def test_the_interval_of_a_share_is_wilsons(self) -> None:
        low, high = Reached("", 0.5).interval([1.0] * 15 + [0.0] * 5)  # type: ignore[misc]
        assert (low, high) == pytest.approx((0.5313, 0.8881), abs=1e-4)

    def test_what_stands_beside_has_no_verdict(self) -> None:
        median = Reported("", statistic=np.median)
        assert (median.ours([1, 5, 9, 2]), median.interval([1, 5, 9, 2])) == (3.5, None)
        assert Reported("").ours([1, 2, 6]) == 3
        assert median.verdict([math.nan]) == "reported"

    def test_what_says_nothing_against_a_claim(self) -> None:
        said = ("holds", NOT_TESTED, "reported", "does not hold", "reached by 3 of 20")
        assert [stands(verdict) for verdict in said] == [True, True, True, False, False]


def test_a_discriminator_that_learned_nothing_gains_nothing(
    hasty: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Lab.run

    def none(self: Lab, method: str, dataset: str, seed: int, steps: int, **given: Any) -> Run:
        return replace(run(self, method, dataset, seed, 2), settings={"width": 8, "lr": 0.0})

    monkeypatch.setattr(Lab, "run", none)
    found = gan_images.dcgan_features(hasty, 0)
    verdicts = {
        name: expected.verdict([found[name]])
        for name, expected in CLAIMS["dcgan-features"].facts["expected"].items()
    }
    assert verdicts["gain_over_untrained"] == "does not hold"


class Elsewhere(Method):
    """Its first latent is the last factor, three times as large, its last one the first factor."""

    sees = "factors"
    codes = normal_codes(3)

    def encode(self, batch: Batch) -> torch.Tensor:
        assert batch.factors is not None
        first, *_, last = batch.factors.float().T
        return torch.stack([3 * last, 0.1 * first, first + 0.5 * last], 1)


def test_the_latent_of_a_factor_is_the_one_that_it_moves_most(hasty: Lab) -> None:
    method = Elsewhere()
    assert [disentanglement.moved_most(hasty, method, factor, 0) for factor in (0, 4)] == [2, 0]


class TestColouring:
    grey = torch.tensor([[0.0, 0.5], [1.0, 0.25]])[None, None]

    @pytest.mark.parametrize(
        ("colour", "saturation", "error"),
        [
            ((1, 1, 1), 0.0, 0.0),
            ((1, 0, 0), 1.0, 0.0),
            ((0.5, 1, 0.5), 0.5, 0.0),
            ((0.5, 0.5, 0.5), 0.0, 0.21875),
            ((0, 0.5, 0), 1.0, 0.21875),
            ((0, 0, 0), 0.0, 0.4375),
        ],
    )
    def test_what_is_measured(
        self, colour: tuple[float, ...], saturation: float, error: float
    ) -> None:
        y = self.grey * torch.tensor(colour).view(1, 3, 1, 1)
        assert colouring.colour(y, self.grey) == pytest.approx((saturation, error))

    def test_colour_of_the_ground_does_not_count(self) -> None:
        y = self.grey.expand(-1, 3, -1, -1).clone()
        y[0, 0, 0, 0] = 0.1
        assert colouring.colour(y, self.grey) == pytest.approx((0.0, 0.025))

    def test_a_pair_is_a_digit_in_grey_and_in_colour(self, digits: Table) -> None:
        hues = Hues(digits)
        grey, coloured = hues.sample_pairs(0, 50, np.random.default_rng(0))
        x, y = hues.images(grey), hues.images(coloured)
        assert np.array_equal(x, np.repeat(digits.images(grey), 3, 1))
        found = colouring.colour(torch.from_numpy(y / 255), torch.from_numpy(x[:, :1] / 255))
        assert found == pytest.approx((1, 0), abs=1e-6)
        first, second = hues.factors(grey), hues.factors(coloured)
        assert np.array_equal(first[:, 1], second[:, 1])
        assert set(first[:, 0]) == {0}
        assert len(set(second[:, 0])) == 12
        assert {*grey, *(coloured - 400)} <= {*digits.train.tolist()}

    def test_the_answer_that_l1_is_least_for_is_grey(self) -> None:
        median = np.median(COLOURS[1:], axis=0)
        assert median.tolist() == [0.5, 0.5, 0.5]

    def test_batches_are_of_pairs(self, digits: Table, lab: Lab) -> None:
        run = lab.run("pix2pix", "mnist_hues", 0, 1, width=8)
        method = run.cls(Hues(digits).spec, **run.settings)
        batch = Batches(Hues(digits), CPU).training_batch(method, 0)
        assert batch.y is not None
        assert float((batch.x.amax(1) - batch.x.amin(1)).max()) == 0
        assert torch.equal(batch.y.amax(1), batch.x[:, 0])


def test_runs_of_claims_are_in_one_precision(lab: Lab) -> None:
    assert lab.run("vae", "toy", 0, 2).precision == "float32"


def test_scores_are_of_the_run_that_was_trained(lab: Lab) -> None:
    run = lab.run("random", "mnist", 0, 0)
    found = lab.scores(run, "c1_accuracy", "mig_chen")
    assert 0 <= found["c1_accuracy"] < 0.4
    assert math.isnan(found["mig_chen"])
    _, folder = lab.train("random", "mnist", 0, 0)
    assert folder.scores is not None
    assert {row["metric"] for row in folder.scores["rows"]} == set(found)
