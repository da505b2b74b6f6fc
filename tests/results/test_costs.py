"""Scores against what training cost, and the seconds of every stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark
from benchmark.errors import UserError
from results.figures.cost import costs, over_cost
from results.frame import tidy
from results.runs import Runs
from results.statistics import interval
from results.store import Folder
from results.training_costs import COSTS, NOT_RECORDED, NOT_TRAINED, trained
from tests.studies import ask, row


def paid(out: Path, method: str, seed: int, value: float, **train: Any) -> None:
    folder = ask(out, method, seed, steps=train.pop("steps", 100))
    folder.finish({"rows": [row("mig", value)], "train": train})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A method whose seeds take longer and longer, one of an older version, one without steps."""
    for seed, value in enumerate((0.2, 0.3, 0.7)):
        train = {"seconds": 10.0 * (seed + 1), "images": 6400, "flops": 5e12 + seed * 1e12}
        paid(tmp_path, "vae", seed, value, **train)
    paid(tmp_path, "gan", 0, 0.1, seconds=4.0)
    paid(tmp_path, "pca", 0, 0.4, steps=0, seconds=2.0)
    paid(tmp_path, "untrained", 0, 0.05, steps=0, seconds=1e-6)
    return tmp_path


def test_scores_stand_at_the_mean_cost_of_their_seeds(study: Path) -> None:
    found = over_cost(Runs(study, tidy(study))).set_index("method")
    assert found["x"].to_dict() == {"gan": 4.0, "pca": 2.0, "vae": 20.0}
    assert found.at["vae", "costs"] == (10.0, 20.0, 30.0)
    assert found.at["vae", "mean"] == pytest.approx(0.4)
    bounds = [found.at["vae", bound] for bound in ("low", "high")]
    assert bounds == pytest.approx(interval([0.2, 0.3, 0.7]))


@pytest.mark.parametrize(("x", "mean"), [("flops", 6.0), ("images", 6.4)])
def test_what_recorded_no_cost_is_left_out(study: Path, x: str, mean: float) -> None:
    found = over_cost(Runs(study, tidy(study), x)).set_index("method")
    assert found["x"].to_dict() == {"vae": pytest.approx(mean)}


def test_tracked_scores_are_a_line_up_to_the_whole_cost(study: Path) -> None:
    for folder in study.glob("*-vae-*"):
        Folder(folder).tracked.write_text("step,mig\n25,0.1\n50,0.3\n")
    found = over_cost(Runs(study, tidy(study)))
    path = found[~found["final"]]
    assert path[["method", "x", "mean", "n"]].to_numpy().tolist() == [
        ["vae", 5.0, pytest.approx(0.1), 3],
        ["vae", 10.0, pytest.approx(0.3), 3],
    ]
    assert found["final"].sum() == 3


def test_the_figure_has_a_point_and_an_interval_per_method(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture,) = costs(Runs(study, tidy(study)))
    assert picture.stem == "cost-seconds-dsprites"
    (axes,) = picture.draw().axes
    assert axes.get_xlabel() == COSTS["seconds"].title
    places = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_markersize() == 4.5]
    assert sorted(np.concatenate(places)) == [2.0, 4.0, 20.0]
    assert capsys.readouterr().err == ""


def test_seconds_of_several_devices_are_said(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, folder in enumerate(sorted(study.iterdir())):
        config = Folder(folder).config
        Folder(folder).write_config({**config, "machine": {"device": f"GPU {number % 2}"}})
    assert [*costs(Runs(study, tidy(study)))]
    assert "GPU 0, GPU 1" in capsys.readouterr().err
    assert [*costs(Runs(study, tidy(study), "images"))]
    assert capsys.readouterr().err == ""


def test_a_table_has_the_cost_as_a_column(study: Path) -> None:
    found = benchmark.table(study, x="flops").set_index(["method", "metric"])
    title = COSTS["flops"].title
    assert found.at[("vae", title), "mean"] == pytest.approx(6.0)
    assert not found.xs(title, level="metric")["best"].any()
    reasons = found.xs(title, level="metric")["reason"]
    assert [reasons["gan"], reasons["pca"]] == [NOT_RECORDED, NOT_TRAINED]
    assert title not in benchmark.table(study)["metric"].tolist()
    with pytest.raises(UserError, match="known: flops, images, seconds"):
        benchmark.table(study, x="euros")


def test_seconds_of_every_stage_stand_beside_training(tmp_path: Path) -> None:
    folder = ask(tmp_path, "vae")
    parts = [row(f"dci_{part}", 0.5, seconds=7.0) for part in ("disentanglement", "completeness")]
    rows = [*parts, row("mig", 0.2, seconds=3.0), row("mig@generator", 0.2, seconds=5.0)]
    folder.finish({"rows": rows, "train": {"seconds": 90.0, "encode_seconds": 4.0, "kl": 2.0}})
    (found,) = trained(tmp_path, tidy(tmp_path)).to_dict("records")
    stages = {name: value for name, value in found.items() if "seconds" in str(name)}
    assert stages == {
        "seconds": 90.0,
        "encode_seconds": 4.0,
        "dci_seconds": 7.0,
        "mig_seconds": 3.0,
        "mig@generator_seconds": 5.0,
    }
