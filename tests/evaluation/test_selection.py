"""`best`: what chooses is never what is reported."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation.selection import Split, as_records, choose, held_out, rule, show, split
from benchmark.registry import UserError
from results.frame import tidy
from results.significance import compared
from results.store import Codes, Folder
from tests.command import Command
from tests.studies import ask, done, row
from tests.tables import rng


def sweep(out: Path, scores: dict[float, list[float | None]], **run: str) -> None:
    """Make a run of betavae per beta and seed; None is a run that failed."""
    for beta, values in scores.items():
        for seed, value in enumerate(values):
            if value is None:
                folder = ask(out, "betavae", seed, settings={"beta": beta}, **run)
                folder.fail("failed", "out of memory")
            else:
                done(out, "betavae", seed, row("mig", value), settings={"beta": beta}, **run)


def encode(folder: Folder, codes: np.ndarray, std: np.ndarray | None = None) -> None:
    names = [f"z{i}" for i in range(codes.shape[1])]
    folder.write(Codes(codes, np.arange(len(codes)), names, ["normal"] * len(names), std))


def test_no_seed_both_chooses_and_is_reported(tmp_path: Path) -> None:
    sweep(tmp_path, {1.0: [0.1] * 5})
    done(tmp_path, "random", 77, row("mig", 0.0))
    frame = tidy(tmp_path)
    assert split(frame, None) == Split((0, 1), (2, 3, 4))
    assert split(frame, [4, 1, 9]) == Split((1, 4), (0, 2, 3))
    for wrong in ([9], [0, 1, 2, 3, 4]):
        with pytest.raises(UserError, match="there are seeds 0, 1, 2, 3, 4"):
            split(frame, wrong)
    with pytest.raises(UserError, match=r"there are seeds 0$"):
        split(frame[frame["seed"] == 0], None)


def test_the_scores_that_choose_are_not_those_reported(tmp_path: Path) -> None:
    # On the seeds that choose, beta = 4 is luckiest; on all of them, beta = 1 would be.
    sweep(tmp_path, {1.0: [0.4, 0.4, 0.9, 0.9], 4.0: [0.5, 0.5, 0.1, 0.2], 16.0: [0.3, 0.3, 1, 1]})
    done(tmp_path, "random", 3, row("mig", 0.0))
    frame, seeds = tidy(tmp_path), Split((0, 1), (2, 3))
    (choice,) = choose(frame, tmp_path, "mig", 1, seeds)
    assert (choice.settings, choice.score, choice.n, choice.candidates) == ("beta=4", 0.5, 2, 3)
    reported = held_out(frame, [choice], seeds)
    assert sorted(reported["value"]) == [0.0, 0.1, 0.2]
    (record,) = as_records([choice], compared(reported, {}), "mig", 1, seeds)
    assert record["held_out"][0]["mean"] == pytest.approx(0.15)
    assert record["reported_on"] == (2, 3)
    (lowest,) = choose(frame, tmp_path, "mig", -1, seeds)
    assert lowest.settings == "beta=16"


def test_a_setting_that_fails_is_not_chosen_for_its_luck(tmp_path: Path) -> None:
    sweep(tmp_path, {1.0: [0.4, 0.4, 0.4], 4.0: [0.9, None, 0.9]})
    (choice,) = choose(tidy(tmp_path), tmp_path, "mig", 1, Split((0, 1), (2,)))
    assert choice.settings == "beta=1"


def test_each_data_set_and_budget_has_a_choice_of_its_own(tmp_path: Path) -> None:
    sweep(tmp_path, {1.0: [0.1, 0.1], 4.0: [0.2, 0.2]}, dataset="cars3d")
    sweep(tmp_path, {1.0: [0.3, 0.3], 4.0: [0.2, 0.2]}, budget="paper")
    sweep(tmp_path, {1.0: [None, 0.3]}, precision="bfloat16")
    found = choose(tidy(tmp_path), tmp_path, "mig", 1, Split((0,), (1,)))
    assert [(one.runs["dataset"], one.runs["budget"], one.settings) for one in found] == [
        ("cars3d", "quick", "beta=4"),
        ("dsprites", "paper", "beta=1"),
        ("dsprites", "quick", None),
    ]


@pytest.mark.parametrize("by", ["udr", "udr_spearman"])
def test_udr_chooses_what_seeds_agree_on(tmp_path: Path, by: str) -> None:
    shared = rng(0).normal(size=(2000, 3))
    for beta, noise in ((1.0, 3.0), (4.0, 0.1)):
        for seed in range(3):
            folder = done(tmp_path, "betavae", seed, row("mig", 0.1), settings={"beta": beta})
            codes = shared[:, rng(seed).permutation(3)] + noise * rng(seed).normal(size=(2000, 3))
            encode(folder, codes.astype(np.float32))
    (choice,) = choose(tidy(tmp_path), tmp_path, by, 1, Split((0, 1), (2,)))
    assert (choice.settings, choice.n) == ("beta=4", 2)
    assert choice.score is not None
    assert 0.5 < choice.score <= 1


def test_udr_leaves_out_latents_that_say_nothing(tmp_path: Path) -> None:
    """A latent that no posterior moves from the prior is no disagreement."""
    shared = rng(0).normal(size=(2000, 2))
    for seed in range(2):
        idle = 1e-3 * rng(seed).normal(size=(2000, 2))
        std = np.concatenate([np.full((2000, 2), 0.1), np.ones((2000, 2))], axis=1)
        folder = done(tmp_path, "betavae", seed, row("mig", 0.1))
        encode(folder, np.hstack([shared, idle]).astype(np.float32), std.astype(np.float16))
    done(tmp_path, "betavae", 2, row("mig", 0.1))
    frame = tidy(tmp_path)
    (choice,) = choose(frame, tmp_path, "udr_spearman", 1, Split((0, 1), (2,)))
    assert choice.score == pytest.approx(1, abs=0.05)
    (folder_1,) = (name for name in frame["folder"] if "-1-" in name)
    (tmp_path / folder_1 / "codes.h5").write_bytes(b"damaged")
    (choice,) = choose(frame, tmp_path, "udr", 1, Split((0, 1), (2,)))
    assert (choice.settings, choice.score, choice.n) == (None, None, 0)
    assert choice.reason == "UDR compares codes, and too few can be read"


def test_the_rule_is_named() -> None:
    assert rule("mig", 1) == "highest mean mig, which sees true factors or labels"
    assert rule("gaussian_tc", -1) == "lowest mean gaussian_tc, which sees no labels"
    assert rule("udr", 1).startswith("highest mean UDR (lasso; Duan et al., 2020)")


def test_what_no_run_has_cannot_choose(tmp_path: Path) -> None:
    """With one seed, too, of which none is left to report: the first mistake comes first."""
    sweep(tmp_path, {1.0: [0.1]})
    with pytest.raises(UserError, match=r"'migg'; did you mean 'mig'\? known: mig, udr"):
        show(tidy(tmp_path), tmp_path, "migg", None, False)


def test_the_oracles_factors_are_true_factors_to_the_rule() -> None:
    assert (
        rule("mig@generator", 1) == "highest mean mig@generator, which sees true factors or labels"
    )
    assert rule("gaussian_tc", -1) == "lowest mean gaussian_tc, which sees no labels"


def test_why_nothing_is_chosen_is_said(command: Command, tmp_path: Path) -> None:
    """With how many runs it would have been chosen among."""
    sweep(tmp_path, {1.0: [0.1, 0.2], 4.0: [0.3, None]})
    done(tmp_path, "pca", 0, row("sap", 0.1))
    said = command("best", "--out", tmp_path, COLUMNS="200").out
    assert next(x.split()[-4:] for x in said.splitlines() if "beta" in x) == ["2", "2", "-", "0"]
    assert "nothing: UDR compares runs of two seeds, and one chooses; --select names others" in said
    by_mig = command("best", "--out", tmp_path, "--by", "mig", COLUMNS="200").out
    assert "nothing: no run of the seeds that choose has mig" in by_mig
    failed = command("best", "--out", tmp_path, "--by", "mig", "--select", "1", COLUMNS="200").out
    assert next(x.split()[-4:] for x in failed.splitlines() if "beta=1" in x) == [
        "2",
        "1",
        "0.200",
        "1",
    ]
