"""Results: real run folders in, and what is remembered, averaged, printed and drawn out."""

import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.registry import UserError
from results.aggregate import label, natural, records, summary, with_lines
from results.atomic import written
from results.frame import COLUMNS, as_json, settings_text, tidy, write_rows
from results.output import chosen
from results.significance import compared
from results.store import Codes, Folder, Generated, Traversal, folders, place
from results.table import tables
from results.table_formats import printed as printable_table
from results.training_costs import rich_trained, trained
from tests.studies import TEN, ask, done, row, small_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return small_study(tmp_path / "runs")


def printed(out: Path, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    frame = tidy(out)
    for table in tables(frame, compared(frame, {})):
        console.print(printable_table(table, width))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "scores.json"
    path.write_text("old")

    def interrupted() -> None:
        with written(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_the_old_file_and_makes_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.csv"
    for text in ("old", "new"):
        with written(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == path.suffix
            temporary.write_text(text)
    assert path.read_text() == "new"


def test_a_refused_write_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/below"), written(tmp_path / "file" / "below"):
        pass


def test_a_full_disk_is_a_user_error_and_leaves_nothing(tmp_path: Path) -> None:
    folder, codes = place(tmp_path, "d", "m", 0, TEN), np.zeros((9999, 2), np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"codes\.h5"):
            folder.write(Codes(codes, np.arange(9999), ["a", "b"], ["normal"] * 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(folder.path.iterdir()) == []


def test_states(tmp_path: Path) -> None:
    assert Folder(tmp_path / "none").state == "unfinished"
    folder = ask(tmp_path, "vae")
    assert folder.outcome()[:2] == ("unfinished", "")
    folder.fail("failed", "out of memory")
    assert folder.outcome()[:2] == ("failed", "out of memory")
    folder.fail("diverged", "nan", step=7)
    assert folder.outcome()[:2] == ("diverged", "nan")
    assert folder.failure == {"state": "diverged", "reason": "nan", "step": 7, "log": ""}
    folder.forget_failure()
    assert folder.state == "unfinished"
    folder.fail("failed", "again")
    folder.finish({"rows": [], "train": {}})
    assert folder.outcome()[:2] == ("done", "")
    assert folder.failure is None


@pytest.mark.parametrize("name", ["run.json", "scores.json", "failure.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"rows": 1}', '{"run": {"seed": "x"}}', "\xff"])
def test_an_unreadable_record_is_broken_and_the_rest_is_shown(
    study: Path, name: str, text: str
) -> None:
    folder = ask(study, "vae")
    (folder.path / name).write_bytes(text.encode("latin-1"))
    state, reason = folder.outcome()[:2]
    assert state == "broken"
    assert name in reason
    frame = tidy(study)
    assert (frame["state"] == "broken").sum() == 1
    assert (frame["state"] == "done").sum() == 14
    assert "failed: cannot read" in printed(study, 300) or "failed: " in printed(study, 300)


@pytest.mark.parametrize("name", ["versions", "machine"])
def test_a_part_of_run_json_of_another_kind_makes_it_broken(tmp_path: Path, name: str) -> None:
    folder = done(tmp_path, "vae", 0, row("mig", 0.5))
    record = folder.config | {name: "torch 2.15"}
    (folder.path / "run.json").write_text(json.dumps(record))
    reason = f"{folder.path / 'run.json'}: '{name}' is 'torch 2.15'"
    assert folder.outcome()[:2] == ("broken", reason)


@pytest.mark.parametrize("version", [[1], "1", None, 1.5, {}])
def test_a_version_that_is_no_integer_makes_a_run_broken(tmp_path: Path, version: object) -> None:
    folder = done(tmp_path, "vae", 0, row("mig", 0.5))
    record = folder.config | {"run": folder.config["run"] | {"version": version}}
    (folder.path / "run.json").write_text(json.dumps(record))
    assert folder.outcome()[:2] == (
        "broken",
        f"{folder.path / 'run.json'}: 'run': 'version' is {version!r}",
    )
    assert list(tidy(tmp_path)["state"]) == ["broken"]


def test_a_run_folder_without_run_json_is_broken(tmp_path: Path) -> None:
    folder = place(tmp_path, "d", "m", 0, TEN)
    folder.path.mkdir()
    assert folder.outcome()[:2] == ("unfinished", "")
    folder.log().write_text("step")
    assert folder.outcome()[:2] == ("broken", f"{folder.path} has no run.json")


def test_only_run_folders_are_listed(study: Path) -> None:
    (study / "pictures").mkdir()
    (study / f"a-b-0-{TEN}").write_text("a file")
    names = [folder.name for folder in folders(study)]
    assert len(names) == 8
    assert names == sorted(names)
    assert folders(study / "missing") == []
    with pytest.raises(UserError, match="cannot list"):
        folders(study / f"a-b-0-{TEN}")
    assert tidy(study / "missing").empty


def test_numbers_that_are_not_finite_become_null_with_a_reason(tmp_path: Path) -> None:
    bad = row("mig", np.float32("nan"), images=np.int64(5))  # type: ignore[arg-type]
    folder = done(tmp_path, "vae", 0, bad)
    scores = folder.scores
    assert scores is not None
    assert scores["rows"][0] == row("mig", None, "the metric gave nan", images=5)
    with pytest.raises(ValueError, match="protocol"):
        folder.finish({"rows": [{"metric": "mig", "value": 1.0, "reason": None}], "train": {}})


def test_codes_and_traversals_come_back(tmp_path: Path) -> None:
    folder = place(tmp_path, "d", "m", 0, TEN)
    codes, rows = np.random.default_rng(0).normal(size=(5, 2)).astype("f4"), np.arange(5)[::-1]
    std, errors = np.exp(codes).astype("f2"), np.ones(3, np.float32)
    told = Codes(codes, rows, ["c1", "ζ"], ["categorical", "normal"], std, errors)
    folder.write(told._replace(std=None, squared_errors=None))
    assert folder.read(Codes)[4:] == (None, None)
    folder.write(told)
    found = folder.read(Codes)
    np.testing.assert_array_equal(found.std, std)
    np.testing.assert_array_equal(found.squared_errors, errors)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.rows, rows)
    assert (found.codes.dtype.name, found.rows.dtype.name) == ("float32", "int64")
    assert (found.names, found.kinds) == (["c1", "ζ"], ["categorical", "normal"])
    strips, values = np.full((2, 3, 1, 4, 4), 7, np.uint8), np.arange(6.0).reshape(2, 3)
    folder.write(Traversal(strips, ["a", "b"], values, "from the prior"))
    again = folder.read(Traversal)
    np.testing.assert_array_equal(again.strips, strips)
    np.testing.assert_array_equal(again.values, values)
    assert (again.names, again.title) == (["a", "b"], "from the prior")
    with pytest.raises(ValueError, match="names"):
        folder.write(told._replace(names=["c1"], kinds=["normal"]))
    with pytest.raises(ValueError, match="std"):
        folder.write(told._replace(std=std[:2]))
    made = Generated(codes, np.ones((5, 3), int), ["c1", "ζ"], ["categorical", "normal"], values[0])
    folder.write(made)
    for one, other in zip(folder.read(Generated), made, strict=True):
        np.testing.assert_array_equal(one, other)
    (folder.path / "codes.h5").write_bytes(b"no")
    with pytest.raises(UserError, match=r"codes\.h5"):
        folder.read(Codes)


def test_codes_are_compressed_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    """Those that a network computes in bfloat16 have two zero bytes; NaN and -0 stay as well."""
    folder = place(tmp_path, "d", "m", 0, TEN)
    codes = np.random.default_rng(0).normal(size=(20_000, 10)).astype("f4")
    codes[:4, 0] = 0.0, -0.0, np.nan, np.inf
    codes.view("u4")[1:] &= 0xFFFF0000
    told = Codes(codes, np.arange(len(codes)), [*"abcdefghij"], ["normal"] * 10, codes.astype("f2"))
    folder.write(told)
    found = folder.read(Codes)
    assert found.std is not None
    assert told.std is not None
    assert found.codes.tobytes() == codes.tobytes()
    assert found.std.tobytes() == told.std.tobytes()
    assert found.rows.tobytes() == told.rows.tobytes()
    assert (folder.path / "codes.h5").stat().st_size < 0.75 * (codes.nbytes + told.std.nbytes)


def test_codes_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """They were not compressed."""
    folder = place(tmp_path, "d", "m", 0, TEN)
    codes = np.random.default_rng(0).normal(size=(5_000, 2)).astype("f4")
    folder.path.mkdir()
    with h5py.File(folder.path / "codes.h5", "w") as file:
        file["codes"], file["rows"] = codes, np.arange(5_000)
        for name, texts in (("names", ["z1", "z2"]), ("kinds", ["normal"] * 2)):
            file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
    assert folder.read(Codes).codes.tobytes() == codes.tobytes()


def test_tidy_has_a_row_per_run_and_metric_and_keeps_failures(study: Path) -> None:
    frame = tidy(study)
    assert len(frame) == 15
    failed = frame[frame["state"] == "diverged"].iloc[0]
    assert (failed["metric"], failed["reason"]) == ("", "the loss of [bold]D[/] is nan")
    assert np.isnan(failed["value"])
    assert set(frame.loc[frame["method"] == "betavae", "settings"]) == {"beta=4"}
    filtered = tidy(study, {"method": ["infogan"], "metric": ["mig"], "seed": [0, 2]})
    assert filtered[["seed", "metric"]].to_numpy().tolist() == [[0, "mig"], [2, ""]]


def test_what_a_method_sees_is_a_filter(study: Path) -> None:
    frame = chosen(study, None, None, "mig", None, "factors,nothing")
    assert sorted(frame["method"]) == ["random", "truth"]
    with pytest.raises(UserError, match="sees among the runs 'pairs'"):
        chosen(study, None, None, None, None, "pairs")


def test_settings_lose_no_digit() -> None:
    assert (
        settings_text({"gamma": 0.1, "beta": 4.0, "nets": "paper"})
        == "beta=4, gamma=0.1, nets=paper"
    )
    assert settings_text({"beta": 4.0000001}) != settings_text({"beta": 4})


def test_csv_and_json_come_back(study: Path, tmp_path: Path) -> None:
    (place(study, "d", "m", 0, TEN).path).mkdir()
    frame = tidy(study)
    write_rows(tmp_path / "scores.csv", frame)
    blank = {name: [""] for name, kind in COLUMNS.items() if kind != "str"}
    how: dict[str, Any] = {"dtype": COLUMNS, "keep_default_na": False, "na_values": blank}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "scores.csv", **how), frame)
    records = json.loads(as_json(frame))
    assert len(records) == len(frame)
    assert {row["value"] for row in records if row["metric"] == ""} == {None}


def test_summary_averages_over_seeds(study: Path) -> None:
    lines = {(row["method"], row["metric"]): row for row in records(summary(tidy(study)))}
    beta, gan, none = (
        lines[key] for key in (("betavae", "mig"), ("infogan", "mig"), ("infogan", "sap"))
    )
    assert [beta[name] for name in ("seeds", "failed", "n", "na")] == [3, 0, 3, 0]
    moments = [beta[name] for name in ("mean", "std", "min", "max")]
    assert moments == pytest.approx([0.3, 0.1, 0.2, 0.4])
    assert [gan[name] for name in ("seeds", "failed", "n")] == [2, 1, 2]
    assert [none[name] for name in ("n", "na", "images")] == [0, 2, 0]


@pytest.mark.parametrize(
    "other",
    [{"steps": 2000}, {"budget": "paper"}, {"precision": "bfloat16"}, {"settings": {"beta": 16}}],
)
def test_runs_asked_for_differently_are_never_averaged(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    done(tmp_path, "vae", 0, row("mig", 0.0))
    done(tmp_path, "vae", 1, row("mig", 1.0), **other)
    assert sorted(summary(tidy(tmp_path))["mean"]) == [0.0, 1.0]
    assert with_lines(tidy(tmp_path))["line"].nunique() == 2


@pytest.mark.parametrize("other", [{"protocol": "2"}, {"images": 500}])
def test_runs_scored_differently_are_never_averaged(tmp_path: Path, other: dict[str, Any]) -> None:
    done(tmp_path, "vae", 0, row("mig", 0.0), row("sap", 0.1))
    done(tmp_path, "vae", 1, row("mig", 1.0, **other), row("sap", 0.3))
    done(tmp_path, "vae", 2, row("sap", 0.5))
    lines = summary(tidy(tmp_path)).set_index(["variant", "metric"])["mean"]
    assert lines.to_dict() == pytest.approx(
        {(0, "mig"): 0.0, (0, "sap"): 0.3, (1, "mig"): 1.0, (1, "sap"): 0.3}
    )
    said = "500 images" if "images" in other else "metric mig: protocol 2"
    assert said in printed(tmp_path, 100)


GOLDEN = """\
dsprites: budget quick, 1,000 steps of every method at its default learning rate, float32

 method           sees     codes    seeds  failed                 mig                 sap
 ─────────────────────────────────────────────────────────────────────────────────────────
 betavae beta=4   images   encoder      3       0  0.300 [.200, .400]  0.150 [.100, .200]
 infogan          images   posthoc    2/3       1               0.550               - (1)

 random (floor)   nothing  encoder      1       0               0.050               0.010
 truth (ceiling)  factors  encoder      1       0               1.000               0.900

mean [95 % bootstrap interval over seeds: BCa, widened as Student's t for few seeds]
of 3 seeds no such interval covers more often than 75 % of the times
no interval: one seed cannot say how sure a mean is
no interval: 2 seeds cannot say how sure a mean is
budget quick is a first look, too short for betavae to pass pca (in mig it has by `python -m
benchmark run --methods betavae,pca --steps 30000`) and for InfoGAN's c1 to follow the label (it
does by `python -m benchmark run --methods infogan --datasets mnist --budget paper`)
(1) needs codes, and the method has none
infogan, seed 2: diverged: the loss of [bold]D[/] is nan
"""


def test_the_printed_table(study: Path) -> None:
    assert printed(study, 100).rstrip() == GOLDEN.rstrip()


def test_a_narrow_terminal_gets_more_tables_not_cut_ones(study: Path) -> None:
    text = printed(study, 70)
    assert max(map(len, text.splitlines())) <= 70
    assert "0.300 [.200, .400]" in text
    assert "0.150 [.100, .200]" in text
    assert "…" not in text


def test_text_from_run_folders_is_only_text(tmp_path: Path) -> None:
    done(tmp_path, "[red]x", 0, row("[/b]m", 0.5), settings={"[link": "\x1b[31m\n[b]"})
    ask(tmp_path, "y", 0).fail("failed", "\x1b[2J[/red]\nsecond")
    text = printed(tmp_path, 100)
    assert "[red]x" in text
    assert "[/b]m" in text
    assert "failed: ?[2J[/red] second" in text
    assert "\x1b" not in text


def test_some_seeds_without_a_value_are_counted(tmp_path: Path) -> None:
    done(tmp_path, "vae", 0, row("mig", 0.5))
    done(tmp_path, "vae", 1, row("mig", None, "constant codes"))
    text = printed(tmp_path)
    assert "0.500 (1)" in text
    assert "(1) 1 of 2 seeds: constant codes" in text


def test_a_study_without_any_score_is_still_shown(tmp_path: Path) -> None:
    ask(tmp_path, "gan", 3).fail("failed", "out of memory")
    ask(tmp_path, "vae", 0)
    text = printed(tmp_path)
    assert "gan     images  encoder    0/1       1" in text
    assert "gan, seed 3: failed: out of memory" in text
    assert "vae, seed 0: unfinished" in text


def test_labels() -> None:
    assert label("random") == "random (floor)"
    assert label("betavae", "beta=4") == "betavae beta=4"
    assert sorted(["beta=10", "beta=4", ""], key=natural) == ["", "beta=4", "beta=10"]


def test_results_never_import_torch() -> None:
    code = (
        "import sys, results.store, results.output, results.figures as f; f.known();"
        "sys.exit(any(name.split('.')[0] in ('torch', 'methods') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_is_shown_per_run(tmp_path: Path) -> None:
    ask(tmp_path, "vae")
    for seed, kl in enumerate((3.25, 1234.5)):
        folder = ask(tmp_path, "betavae", seed)
        folder.finish({"rows": [], "train": {"kl": kl, "parameters": 10}})
    frame = trained(tmp_path, tidy(tmp_path))
    assert frame["kl"].tolist() == [3.25, 1234.5]
    console = Console(file=io.StringIO(), width=80)
    for part in rich_trained(frame):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    (line,) = (line for line in console.file.getvalue().splitlines() if "kl" in line)
    assert line.split() == ["kl", "3.25", "1,234"]
