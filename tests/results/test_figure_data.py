"""The numbers that figures draw, on studies small enough to reckon by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from results import figures
from results.arrays import Information, Pictures, Traversal
from results.figures.confusion import matched, median_and_best, right, tables
from results.figures.correlations import rank_correlations
from results.figures.curves import learning_curves
from results.figures.information import order, shares
from results.figures.ranks import average_ranks, critical_difference
from results.figures.reconstruction import against_reconstruction
from results.figures.samples import reconstructions
from results.figures.sweeps import STEPS, over_settings, tracked
from results.figures.traversals import film, sorted_traversal
from results.figures.variance import shares as variance_shares
from results.frame import tidy
from results.runs import Fact, Runs
from tests.studies import ask, done, row, with_pictures


def study(out: Path) -> Runs:
    return Runs(out, tidy(out))


def test_categories_by_labels_of_a_median_run_and_of_the_best(tmp_path: Path) -> None:
    """Of five seeds, with categories that stand for labels in another order."""
    order = [2, 0, 1]
    for seed, wrong in enumerate((3, 0, 8, 1, 5)):
        counts = np.full((3, 3), wrong)[order] + np.diag([10, 10, 10])[order]
        folder = ask(tmp_path, "infogan", seed)
        with_pictures(folder, np.random.default_rng(0))
        folder.write(folder.read(Information)._replace(confusion=counts))
        folder.finish({"rows": [row("mig", 0.1)], "train": {}})
    (by_seed,) = tables(study(tmp_path)).values()
    assert sorted(by_seed) == [0, 1, 2, 3, 4]
    chosen = median_and_best(by_seed)
    assert list(chosen) == ["median, seed 0", "best, seed 1"]
    assert chosen["best, seed 1"].tolist() == (10 * np.eye(3)).tolist()
    assert right(chosen["median, seed 0"]) == pytest.approx(39 / 57)
    (picture,) = figures.pictures(study(tmp_path), ["confusion"])
    assert "median, seed 0 68.4%, best, seed 1 100.0%" in picture.alt
    panels = picture.draw().axes
    assert [axes.get_title() for axes in panels] == [
        "median, seed 0: 68.4% right",
        "best, seed 1: 100.0% right",
    ]


@pytest.mark.parametrize("shape", [(2, 3), (4, 3)])
def test_categories_may_be_more_or_fewer_than_labels(shape: tuple[int, int]) -> None:
    counts = np.zeros(shape, int)
    counts[0, 2], counts[1, 0] = 7, 9
    assert [line for line in matched(counts).tolist() if any(line)] == [[9, 0, 0], [0, 0, 7]]
    assert right(counts) == right(matched(counts)) == 1


def test_a_sweep_has_every_value_defaults_too(tmp_path: Path) -> None:
    for beta in (1.0, 4.0):
        for seed in range(3):
            run = {"settings": {"beta": beta} if beta != 4 else {}, "defaults": {"beta": 4.0}}
            done(tmp_path, "betavae", seed, row("mig", beta / 10 + seed / 100), **run)
    done(tmp_path, "vae", 0, row("mig", 0.5))
    found = over_settings(study(tmp_path))
    assert found[["setting", "method", "x", "metric", "n"]].to_numpy().tolist() == [
        ["beta", "betavae", 1.0, "mig", 3],
        ["beta", "betavae", 4.0, "mig", 3],
    ]
    assert found["mean"].tolist() == pytest.approx([0.11, 0.41])
    assert found["values"].iloc[0] == pytest.approx((0.10, 0.11, 0.12))
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


def test_a_sweep_never_averages_what_else_differs(tmp_path: Path) -> None:
    for nets in ("paper", "shared"):
        for beta in (1.0, 4.0):
            value = beta / 10 + (nets == "paper")
            done(tmp_path, "betavae", 0, row("mig", value), settings={"beta": beta, "nets": nets})
    found = over_settings(study(tmp_path))
    assert found["line"].tolist() == ["betavae nets=paper"] * 2 + ["betavae nets=shared"] * 2
    assert found["mean"].tolist() == pytest.approx([1.1, 1.4, 0.1, 0.4])
    assert found["low"].isna().all()


def test_scores_over_training_steps(tmp_path: Path) -> None:
    for steps in (100, 1000):
        done(tmp_path, "vae", 0, row("mig", steps / 1e4), steps=steps)
    found = over_settings(study(tmp_path))
    assert found["setting"].tolist() == [STEPS] * 2
    assert dict(zip(found["x"], found["mean"], strict=True)) == {100.0: 0.01, 1000.0: 0.1}


def test_tracked_scores_are_averaged_by_step(tmp_path: Path) -> None:
    for seed in range(3):
        folder = done(tmp_path, "vae", seed, row("mig", 0.5))
        folder.tracked.write_text(f"step,mig,sap\n100,0.{seed},0.9\n200,0.{seed + 3},\n")
    found = tracked(study(tmp_path))
    assert found[["setting", "line", "x", "metric", "n"]].to_numpy().tolist() == [
        [STEPS, "vae", 100, "mig", 3],
        [STEPS, "vae", 200, "mig", 3],
    ]  # sap is not among the scores that are to be shown
    assert found["mean"].tolist() == pytest.approx([0.1, 0.4])


def test_correlations_are_spearmans(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(8), rng.random(8)
    for seed in range(8):
        done(tmp_path, "vae", seed, row("mig", a[seed]), row("sap", b[seed]))
    done(tmp_path, "vae", 8, row("mig", 5.0))
    done(tmp_path, "truth", 0, row("mig", 1.0), row("sap", 1.0))
    found = rank_correlations(study(tmp_path).scores).set_index(["one", "other"])
    assert found.at[("mig", "sap"), "rho"] == pytest.approx(spearmanr(a, b).statistic)
    assert found.at[("sap", "mig"), "n"] == 8
    assert found.at[("mig", "mig"), "rho"] == 1
    assert found.at[("mig", "mig"), "n"] == 9


def test_only_like_protocols_are_compared(tmp_path: Path) -> None:
    for seed in range(3):
        done(tmp_path, "vae", seed, row("mig", 0.1))
    done(tmp_path, "vae", 3, row("mig", 0.9, protocol="2"))
    assert study(tmp_path).scores["value"].tolist() == [0.1] * 3


def test_metrics_against_reconstruction(tmp_path: Path) -> None:
    folder = ask(tmp_path, "vae", 0)
    folder.finish({"rows": [row("mig", 0.2)], "train": {"reconstruction": 41.5}})
    done(tmp_path, "gan", 0, row("mig", 0.3))
    found = against_reconstruction(study(tmp_path))
    assert found[["method", "value", "reconstruction"]].to_numpy().tolist() == [["vae", 0.2, 41.5]]


def test_shares_of_variance_add_up(tmp_path: Path) -> None:
    for method, base in (("a", 0.0), ("b", 4.0)):
        for beta, more in ((1.0, 0.0), (2.0, 2.0)):
            for seed, noise in ((0, -0.5), (1, 0.5)):
                run = {"settings": {"beta": beta}}
                done(tmp_path, method, seed, row("mig", base + more + noise), **run)
        done(tmp_path, method, 0, row("sap", 1.0), steps=5)
    found = variance_shares(study(tmp_path).scores)
    assert found["metric"].tolist() == ["mig"]
    # Around the mean 3: methods 2, settings 1, seeds 0.5 away, squared.
    parts = found[["method", "settings", "seed"]].to_numpy()[0]
    assert parts == pytest.approx(np.array([4, 1, 0.25]) / 5.25)
    assert found["n"].tolist() == [8]


def test_ranks_as_demsar_reckons_them(tmp_path: Path) -> None:
    scores = {"d1": (0.9, 0.8, 0.1), "d2": (0.7, 0.6, 0.5), "d3": (0.3, 0.4, 0.2)}
    for dataset, values in scores.items():
        for method, value in zip("abc", values, strict=True):
            done(tmp_path, method, 0, row("mig", value), row("irs", value), dataset=dataset)
    facts = {"mig": Fact((0, 1), True), "irs": Fact((0, 1), False)}
    low, high = average_ranks(study(tmp_path).scores, facts)
    assert low.metric == "irs"
    assert [*low.mean] == ["c", "b", "a"]
    assert high.mean == pytest.approx({"a": 4 / 3, "b": 5 / 3, "c": 3})
    assert high.datasets == 3
    # Friedman's chi squared is 12 N / (k (k + 1)) sum R^2 - 3 N (k + 1), of k - 1 = 2 degrees.
    chi = 12 * 3 / 12 * (16 / 9 + 25 / 9 + 9) - 36
    assert high.p == pytest.approx(math.exp(-chi / 2))
    assert len(high.cliques()) == 1


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_of_demsars_table_5(k: int, q: float) -> None:
    assert critical_difference(k, 10) == pytest.approx(q * math.sqrt(k * (k + 1) / 60), abs=1e-3)


def test_learning_curves_are_of_the_runs_logs(tmp_path: Path) -> None:
    for seed in range(7):
        folder = done(tmp_path, "vae", seed, row("mig", 0.1))
        folder.log().write_text(f"step,kl\n50,{seed}\n100,{2 * seed}\n")
    found = learning_curves(study(tmp_path))
    # Five seeds are read.
    assert found[["quantity", "step", "n", "mean", "low", "high"]].to_numpy().tolist() == [
        ["kl", 50, 5, 2.0, 0, 4],
        ["kl", 100, 5, 4.0, 0, 8],
    ]


def known(kl: list[float]) -> Information:
    table = np.array([[0.1, 1.0], [0.6, 0.0], [0.0, 0.2]])
    nothing = np.zeros((0, 3))
    names = ["z1", "z2", "z3"]
    return Information(
        table, np.array([1.0, 2.0]), np.array(kl), names, ["x", "y"], nothing, np.zeros(2, int)
    )


def test_codes_are_sorted_by_divergence_or_by_information() -> None:
    assert order(known([1.0, 0.0, 2.0])) == [2, 0, 1]
    unknown = known([math.nan] * 3)
    assert order(unknown) == [1, 0, 2]
    table = shares(unknown)
    assert [*table.index] == ["z2", "z1", "z3"]
    assert table.to_numpy().tolist() == [[0.6, 0.0], [0.1, 0.5], [0.0, 0.1]]
    assert unknown.main_factor("z1") == ("y", 0.5)
    assert unknown.main_factor("z9") is None


def test_traversals_are_sorted_and_named(tmp_path: Path) -> None:
    folder = done(tmp_path, "vae", 0, row("mig", 0.1))
    with_pictures(folder, np.random.default_rng(0))
    before, found = folder.read(Traversal), sorted_traversal(folder)
    told = folder.read(Information)
    share = told.information[:, 0]
    # The divergences are 0.5 and 2.
    assert found.names == [f"c1: x {share[1]:.2f}", f"z1: x {share[0]:.2f}"]
    np.testing.assert_array_equal(found.strips, before.strips[::-1])
    frames = film(folder)
    assert len(frames) == 6
    first = frames[0].reshape(-1)[::12].reshape(8 * 12, -1)[::12]
    np.testing.assert_array_equal(first[:, :8], before.strips[1, 0, 0])


def test_pictures_come_back_and_runs_without_them_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(tmp_path, "old", 0, row("mig", 0.1))
    folder = done(tmp_path, "vae", 0, row("mig", 0.1))
    with_pictures(folder, np.random.default_rng(0))
    found = folder.read(Pictures)
    (picture,) = reconstructions(study(tmp_path))
    assert "vae" in picture.alt
    assert "old" not in picture.alt
    sheet = np.asarray(picture.draw().axes[0].images[0].get_array())
    np.testing.assert_array_equal(sheet[:8, :8], found.originals[0, 0])
    np.testing.assert_array_equal(sheet[10:18, 10:18], found.reconstructions[1, 0])
    (folder.path / "pictures.h5").write_bytes(b"no")
    assert figures.draw(study(tmp_path), tmp_path / "to", ["samples"]) == []
    said = capsys.readouterr().err
    assert "pictures.h5" in said
    assert "left out: samples" in said


def test_of_many_runs_some_are_shown(tmp_path: Path) -> None:
    for dataset in ("d1", "d2"):
        for seed in range(3):
            for beta in (1.0, 2.0):
                done(tmp_path, "vae", seed, dataset=dataset, settings={"beta": beta})
    all_of_it = study(tmp_path)
    assert len(all_of_it.some(12)) == 12
    some = all_of_it.some(3)
    assert some["seed"].tolist() == [0] * 3
    assert sorted(some["dataset"]) == ["d1", "d1", "d2"]
    assert all_of_it.some(3, Traversal).empty


@pytest.mark.slow
def test_every_figure_of_one_study_can_be_drawn(tmp_path: Path) -> None:
    """PDF with fonts in it, PNG, one look per method, nothing said but what is missing."""
    rng = np.random.default_rng(0)
    for dataset in ("d1", "d2"):
        for method in ("vae", "betavae", "infogan"):
            for steps in (100, 200):
                values = rng.random(2)
                rows = [row("mig", values[0]), row("sap", values[1])]
                told = {"dataset": dataset, "defaults": {"beta": 1.0}}
                folder = ask(tmp_path, method, 0, steps=steps, **told)
                folder.log().write_text("step,kl\n50,1\n100,2\n")
                with_pictures(folder, rng, ("x", "shape"))
                folder.finish({"rows": rows, "train": {"reconstruction": 5.0 * values[0]}})
            told = {"settings": {"beta": 9.0}, "defaults": {"beta": 1.0}, "dataset": dataset}
            for seed in (1, 2):
                scores = [row("mig", seed / 4), row("sap", seed / 4)]
                done(tmp_path, method, seed, *scores, steps=100, **told)
    frame = tidy(tmp_path)
    frame = frame[(frame["method"] != "infogan") | (frame["seed"] == 0)]
    found = [*figures.pictures(Runs(tmp_path, frame), figures.known())]
    kinds = {picture.stem.split("-")[0] for picture in found}
    assert len(kinds) == len(figures.known())
    assert all(len(picture.alt) > 30 for picture in found)
    small = [picture for picture in found if picture.stem.endswith(("d1", "ranks", "variance"))]
    for picture in small:
        pdf, png, *_ = figures.write(picture, tmp_path / "to")
        assert b"/Type3" not in pdf.read_bytes()
        assert png.read_bytes().startswith(b"\x89PNG")
