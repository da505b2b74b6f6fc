"""speed --whole, --study: that what whole runs take is made up of what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.config.grid import Grid
from benchmark.config.run import Run
from benchmark.config.study import Study, find
from benchmark.registry import DATASETS, METHODS, UserError
from benchmark.runner import POSTHOC_STEPS
from benchmark.speed import whole
from benchmark.speed.timing import Rounds
from benchmark.training.batches import Batches
from methods.base import defaults
from metrics.base import score

CPU = torch.device("cpu")
SHORT = Rounds(1, 1, 0.02)


def costs(study: Study) -> whole.Costs:
    return whole.Costs(study, SHORT, None, CPU)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paces are known, and noted in the list: 2 ms a step, 1 ms an image."""
    measured: list[str] = []

    def pace(run: Run, *_: object) -> whole.Pace:
        measured.append(f"{run.method} {run.dataset}")
        return whole.Pace(0.002, 0.003 * (run.method == "gan"), 0.001, 10)

    monkeypatch.setattr(whole, "pace_of", pace)
    monkeypatch.setattr(whole, "images_of", lambda name, _=None: whole.stand_in(name))
    monkeypatch.setattr(whole, "alone", lambda call, *args: call(*args))
    monkeypatch.setattr(whole, "metric_seconds", lambda wanted, subject: 30.0)
    return measured


class TestOfAStudy:
    def test_each_pair_is_measured_once_and_stands_for_its_runs(self, known: list[str]) -> None:
        study = find("locatello2019").part("betavae,dipvae", "dsprites", "0-9")
        found = {one.method: one for one in costs(study).measured()}
        assert known == ["betavae dsprites", "dipvae dsprites"]
        assert [one.runs for one in found.values()] == [60, 120]
        one = found["dipvae"]
        assert one.steps == 300_000
        assert one.rate == pytest.approx(500)
        assert one.train == pytest.approx(300_000 * 0.002 / 60)
        assert one.encode == pytest.approx(737_280 * 0.001 / 60)
        assert one.score == pytest.approx(6 * 30 / 60)
        assert not one.random_images
        minutes = one.train + one.encode + one.score
        assert sum(one.hours.values()) == pytest.approx(120 * minutes / 60)

    def test_what_has_no_inference_is_given_an_encoder(self, known: list[str]) -> None:
        (one,) = costs(Study([Grid(["gan"], ["toy"], steps=10**6)])).measured()
        assert one.encode == pytest.approx((96 * 0.001 + POSTHOC_STEPS * 0.003) / 60)

    def test_the_quick_budget_is_scored_on_the_fixed_table(self, known: list[str]) -> None:
        (one,) = costs(Study([Grid(["vae"], ["dsprites"])])).measured()
        assert one.encode == pytest.approx(50_000 * 0.001 / 60)

    def test_what_does_not_train_is_left_out(
        self, known: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = Study([Grid(["vae", "pca"], ["toy"])])
        assert [one.method for one in costs(study).measured()] == ["vae"]
        assert "left out (not to be trained by steps): pca on toy\n" in capsys.readouterr().err
        with pytest.raises(UserError, match="no run of a method that is trained by steps"):
            list(costs(Study([Grid(["pca"], ["toy"])])).measured())

    def test_the_paper_budget_is_each_papers(self) -> None:
        runs = whole.at_paper_budget("vae,truth,vib", "toy").runs()
        assert {one.method: one.steps for one in runs} == {"vae": 300_000, "vib": 120_000}

    def test_rows_and_sums_are_printed(
        self, known: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = Study([Grid(["vae", "gan"], ["toy"], steps=90_000)], metrics=["mig"])
        whole.measure_study(study, SHORT, None, "cpu", False)
        lines = capsys.readouterr().out.splitlines()
        # 90,000 steps of 2 ms are 3 minutes, the metric takes half a minute.
        row = ["vae", "1", "90,000", "500.0", "3.00", "0.00", "0.50", "0.1"]
        assert row in [line.split() for line in lines]
        assert lines[-2].startswith("2 runs: 0.1 hours (train 0.1, encode 0.0, score 0.0)")
        assert lines[-1].startswith("disk for all 2 runs: about")
        assert lines.count("toy") == 1

    def test_json_is_one_record(self, known: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        study = Study([Grid(["vae"], ["toy"], seeds=[0, 1], steps=90_000)], metrics=["mig"])
        whole.measure_study(study, SHORT, None, "cpu", True)
        found = json.loads(capsys.readouterr().out)
        assert found["runs"] == found["costs"][0]["runs"] == 2
        assert found["hours"]["train"] == pytest.approx(0.1)
        assert 0 < found["bytes"]["scores"] < found["bytes"]["codes"] < found["bytes"]["weights"]


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_pace_is_measured(name: str) -> None:
    run = Run("toy", name, 0, 100, defaults(METHODS[name].value, "toy"))
    found = whole.pace_of(run, None, CPU, SHORT)
    assert min(found.step, found.image) > 0
    assert (found.posthoc > 0) == (name == "gan")
    assert found.codes == len(METHODS[name].value(DATASETS["toy"].facts["spec"]).informative)


def test_metrics_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that has a meaning is computed on codes of all rows; one of minutes, on a tenth."""
    called: list[tuple[str, int, dict[str, object]]] = []

    def noted(entry, arrays, rng, disjoint=False):  # type: ignore[no-untyped-def]
        called.append((entry.name, len(arrays["codes"]), entry.value.keywords))
        return score(entry, arrays, rng, disjoint) if entry.name == "mig" else {}

    monkeypatch.setattr(whole, "score", noted)
    study = Study([Grid(["vae"], ["toy"], steps=1)], metrics=["mig", "dci", "c1_accuracy"])
    assert costs(study).scoring(whole.images_of("toy"), 4) > 0
    assert called == [("mig", 96, {}), ("dci", 96, {"train": 1_000, "test": 500})]


class TestStandIn:
    @pytest.mark.parametrize("name", DATASETS.names())
    def test_it_is_like_the_data_set(self, name: str) -> None:
        facts = DATASETS[name].facts
        found = whole.stand_in(name)
        found.check()
        assert (found.spec, len(found)) == (facts["spec"], facts["images"])
        images = Batches(found, CPU).images(found.sample(4, np.random.default_rng(0)))
        assert images.shape == (4, *found.shape)
        assert images.std() > 0.2
        assert found.factors(np.arange(3)).shape == (3, len(found.factor_sizes))

    def test_it_is_taken_where_the_data_set_is_not_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path))
        assert not whole.is_here("shapes3d")
        assert len(whole.images_of("shapes3d")) == 480_000
        assert whole.is_here("toy")
