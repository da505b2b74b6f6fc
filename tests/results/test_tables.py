"""Tables: which means are bold, what is split, and what they look like as files."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from benchmark.cli.main import main
from benchmark.registry import UserError
from results.better_half import with_better_half
from results.frame import tidy, write_rows
from results.published import PUBLISHED, numbers_with_published, published, with_published
from results.significance import compared
from results.statistics import interval, paired_test
from results.table import Table
from results.table import tables as tables_of
from results.table_formats import latex, latex_text, markdown, write_table
from tests.command import Command, Result
from tests.studies import ask, done, row
from tests.tables import rng

HIGHER = {"mig": True, "sap": True, "fid": False}
NASTY = "<b>&#|*_[x]`$\\\"'~^{}% -- é β ζ 漢 ±\u0000"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `python -m benchmark` with these words in this process: nothing here needs torch."""

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as end:
            main()
        return Result(int(end.value.code or 0), *capsys.readouterr())

    return run


def tables(out: Path) -> list[Table]:
    frame = tidy(out)
    return tables_of(frame, compared(frame, HIGHER))


def study(out: Path, seeds: int, **methods: float) -> dict[str, list[float]]:
    """Make runs of methods whose `mig` has these means; return the values."""
    values = {}
    for number, (method, mean) in enumerate(methods.items()):
        values[method] = [float(v) for v in mean + rng(number).normal(0, 0.02, seeds)]
        for seed, value in enumerate(values[method]):
            done(out, method, seed, row("mig", value), row("fid", -value))
    return values


def test_a_mean_without_the_seeds_that_were_refused_is_no_rival(tmp_path: Path) -> None:
    study(tmp_path, 3, vae=0.3, betavae=0.4)
    done(tmp_path, "gan", 0, row("mig", 0.9))
    done(tmp_path, "gan", 1, row("mig", None, "the codes do not vary"))
    frame = compared(tidy(tmp_path), HIGHER)
    found = frame[frame["metric"] == "mig"].set_index("method")
    assert found.index[found["best"]].tolist() == ["betavae"]
    assert not found.at["gan", "bold"]


def test_the_best_and_what_a_test_does_not_tell_from_it_are_bold(tmp_path: Path) -> None:
    values = study(tmp_path, 9, vae=0.3, betavae=0.5, gan=0.5, infogan=0.2)
    done(tmp_path, "truth", 0, row("mig", 0.9))
    frame = compared(tidy(tmp_path), HIGHER)
    found = frame[(frame["metric"] == "mig")].set_index("method")
    best = max(values, key=lambda name: np.mean(values[name]))
    others = [name for name in found.index if name not in (best, "truth")]
    p = paired_test([np.subtract(values[best], values[name]) for name in others])
    assert found.loc[others, "p"].tolist() == pytest.approx(multipletests(p, method="holm")[1])
    assert found.index[found["bold"]].tolist() == ["betavae", "gan"]
    assert found.index[found["best"]].tolist() == [best]
    for name, low, high in zip(found.index, found["low"], found["high"], strict=True):
        if name != "truth":
            assert (low, high) == pytest.approx(interval(values[name]))
    lower = frame[frame["metric"] == "fid"].set_index("method")["bold"]
    assert lower[lower].index.tolist() == ["betavae", "gan"]
    assert not compared(tidy(tmp_path), {})["bold"].any()  # nobody said which way is better


@pytest.mark.parametrize(
    ("seeds", "methods", "said"),
    [
        (8, {"vae": 0.5, "gan": 0.1}, "those not told from it"),
        (5, {"vae": 0.5, "gan": 0.1}, "Holm over 1 comparison: it needs 6 common seeds"),
        (6, {"vae": 0.5, "gan": 0.1, "pca": 0.2}, "Holm over 2 comparisons: it needs 7"),
    ],
)
def test_the_table_names_its_test_and_when_seeds_are_too_few(
    tmp_path: Path, seeds: int, methods: dict[str, float], said: str
) -> None:
    study(tmp_path, seeds, **methods)
    (table,) = tables(tmp_path)
    assert said in " ".join(table.notes)
    bold = {line.method: line.cells["mig"].bold for line in table.lines}
    assert bold == {method: method == "vae" for method in sorted(methods)}


def test_whoever_has_too_few_common_seeds_is_named(tmp_path: Path) -> None:
    study(tmp_path, 9, vae=0.5, gan=0.1)
    done(tmp_path, "pca", 3, row("mig", 0.5))
    (table,) = tables(tmp_path)
    (note,) = (note for note in table.notes if note.startswith("bold"))
    assert note.endswith("not tested, as it needs 7 common seeds: pca")
    assert [line.method for line in table.lines if line.cells["mig"].bold] == ["vae"]


def test_what_was_scored_otherwise_does_not_compete(tmp_path: Path) -> None:
    study(tmp_path, 8, vae=0.5, gan=0.1)
    for seed in range(8):
        done(tmp_path, "pixels", seed, row("mig", 0.9, images=500))
    frame = compared(tidy(tmp_path), HIGHER)
    assert frame.loc[frame["best"] & (frame["metric"] == "mig"), "method"].tolist() == ["vae"]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"steps": 1}, {"steps": 2}, "2 steps"),
        ({"budget": "quick"}, {"budget": "paper"}, "paper"),
        ({"precision": "float32"}, {"precision": "bfloat16"}, "bfloat16"),
        ({"defaults": {"beta": 4}}, {"defaults": {"beta": 6}}, "default beta=6"),
        ({"version": 1}, {"version": 2}, "version 2 of the method"),
        ({"version": 1}, {}, "version unknown of the method"),
    ],
)
def test_what_sets_lines_apart_is_said(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    for seed in range(3):
        done(tmp_path, "vae", seed, row("mig", 0.1), **one)
    done(tmp_path, "vae", 3, row("mig", 0.9), **other)
    (table,) = tables(tmp_path)
    assert [line.name for line in table.lines if len(line.name) > 1] == [("vae", said)]
    assert sorted(line.cells["mig"].mean for line in table.lines) == ["0.100", "0.900"]


def test_another_version_is_another_line_and_a_new_default_is_none(tmp_path: Path) -> None:
    for seed, versions in enumerate([{"torch": "2.15.0"}] * 2 + [{"torch": "2.14.0"}, {}]):
        folder = done(tmp_path, "vae", seed, row("mig", seed / 10), defaults={"beta": 4})
        folder.write_config(folder.config | {"versions": versions})
    later = done(tmp_path, "vae", 4, row("mig", 0.2), defaults={"beta": 4, "nets": "shared"})
    later.write_config(later.config | {"versions": {"torch": "2.15.0"}})
    (table,) = tables(tmp_path)
    assert table.title.endswith("torch 2.15.0")
    found = {line.name: (line.seeds, line.cells["mig"].mean) for line in table.lines}
    assert found == {
        ("vae",): ("3", "0.100"),
        ("vae", "torch 2.14.0"): ("1", "0.200"),
        ("vae", "version not known"): ("1", "0.300"),
    }


@pytest.fixture
def nasty(tmp_path: Path) -> list[Table]:
    """Tables whose every text is hard to typeset, one of them of many lines and metrics."""
    out = tmp_path / "runs"
    for seed in range(3):
        metrics = (row(f"m_{number}", 0.1 * seed + number) for number in range(9))
        done(out, "vae", seed, *metrics, settings={NASTY: NASTY}, dataset="d")
        done(out, "[gan]", seed, row("m_0", None, NASTY), dataset="d", sees="<&%_", codes="*")
    ask(out, "vae", 7, dataset="d").fail("failed", NASTY)
    ask(out, "pca", 7, dataset="e%").fail("diverged", NASTY)
    for beta in range(70):
        done(out, "vae", 0, row("m", 0.5), settings={"beta": beta}, dataset="long")
    broken = ask(out, "vae", 8, dataset="d")
    (broken.path / "run.json").write_text("{")
    return tables(out)


def test_markdown_shows_text_as_it_is(nasty: list[Table]) -> None:
    text = markdown(nasty)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} <= {6 + 9, 6 + 1, 6}
    assert r"\<b\>\&\#\|\*\_\[x\]\`\$\\" in text
    assert "<b>" not in text
    assert "**" not in text


def test_markdown_of_a_study(tmp_path: Path) -> None:
    study(tmp_path, 8, vae=0.5, gan=0.1)
    line = next(line for line in markdown(tables(tmp_path)).splitlines() if "| vae" in line)
    assert re.fullmatch(
        r"\| vae \| images \| encoder \| 8 \| 0 \| \*\*-0\.\d{3}\*\* \\\[-\.\d{3}, -\.\d{3}\\\] "
        r"\| \*\*0\.\d{3}\*\* \\\[\.\d{3}, \.\d{3}\\\] \|",
        line,
    )


def test_the_better_half_stands_beside_the_mean(tmp_path: Path, command: Command) -> None:
    for seed, value in enumerate((0.5, 0.1, 0.9, 0.2, 0.8)):
        done(tmp_path, "vae", seed, row("mig", value), row("reconstruction", value))
        done(tmp_path, "vae", seed, row("mig", 0.1 * seed), settings={"lr": 1.0})
    frame = tidy(tmp_path)
    higher = {"mig": True, "reconstruction": False}
    lines = compared(with_better_half(frame, higher), HIGHER)
    found = lines.set_index(["settings", "metric"])[["mean", "n"]].T.to_dict("list")
    assert found == {
        ("", "mig"): [pytest.approx(0.5), 5],
        ("", "mig (better half)"): [pytest.approx((0.9 + 0.8 + 0.5) / 3), 3],
        ("", "reconstruction"): [pytest.approx(0.5), 5],
        ("", "reconstruction (better half)"): [pytest.approx((0.1 + 0.2 + 0.5) / 3), 3],
        ("lr=1", "mig"): [pytest.approx(0.2), 5],
        ("lr=1", "mig (better half)"): [pytest.approx(0.3), 3],
    }
    said = command("table", "--out", tmp_path, "--metrics", "mig", "--better-half", "--json")
    assert {one["metric"] for one in json.loads(said.out)} == {"mig", "mig (better half)"}
    said = command("table", "--out", tmp_path, "--metrics", "mig")
    assert "better half" not in said.out


def test_latex_escapes_what_it_must() -> None:
    assert latex_text("50 % of_a & b") == r"50 \% of\_a \& b"
    assert latex_text("é β ζ 漢") == r"\'{e} \ensuremath{\beta} \ensuremath{\zeta} \texttt{U+6F22}"
    assert latex_text("[a]* -- ") == "{[}a{]}{*} -{}- "


@pytest.mark.slow
def test_latex_compiles_as_it_is(nasty: list[Table], tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex: apt-get install texlive-latex-recommended")
    theirs = with_published(nasty, published())
    (tmp_path / "table.tex").write_text(latex(theirs), encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    log = said.stdout.decode(errors="replace")
    assert said.returncode == 0, log[-2000:]
    assert (tmp_path / "table.pdf").read_bytes().startswith(b"%PDF")
    assert "Missing character" not in log
    assert "Overfull \\hbox" not in log
    assert "undefined" not in log


def test_csv_and_parquet_hold_the_same_numbers(tmp_path: Path) -> None:
    study(tmp_path / "runs", 8, vae=0.5, gan=0.1)
    frame = tidy(tmp_path / "runs")
    lines = compared(frame, HIGHER)
    for name in ("table.csv", "table.parquet", "table.md", "table.tex"):
        write_table(tmp_path / name, tables_of(frame, lines), lines)
    csv, parquet = pd.read_csv(tmp_path / "table.csv"), pd.read_parquet(tmp_path / "table.parquet")
    for column in ("mean", "low", "high", "p", "n", "failed", "best", "bold"):
        assert csv[column].tolist() == pytest.approx(parquet[column].tolist(), nan_ok=True)
    pd.testing.assert_frame_equal(parquet, lines, check_dtype=False)
    write_rows(tmp_path / "rows.parquet", frame)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), frame)
    with pytest.raises(UserError, match=r"table\.doc: its suffix must be one of \.csv, "):
        write_table(tmp_path / "table.doc", [], lines)


def test_published_numbers_name_their_sources() -> None:
    found = published()
    assert len(found) > 200
    assert (found[["dataset", "method", "metric", "source"]] != "").all().all()
    assert found["value"].astype(float).between(0, 1).all()
    assert found["spread"].replace("", "0").astype(float).between(0, 1).all()
    value = found.set_index(["method", "settings", "metric", "source"])["value"]
    assert (value.xs("c1_accuracy", level="metric") == "0.95").all()
    # Spreads of the first table that nobody could check, and tables that nobody could.
    first = found[found["source"].str.startswith("Higgins")].set_index("method")["spread"]
    assert (first[["pixels", "pca", "ica"]] == "").all()
    assert not found["source"].str.contains("Kumar|Weakly-Supervised").any()


def test_published_numbers_stand_beside_ours_and_apart(tmp_path: Path) -> None:
    study(tmp_path, 3, vae=0.3, betavae=0.2)
    frame = tidy(tmp_path)
    lines = compared(frame, HIGHER)
    (table,) = with_published(tables_of(frame, lines), published())
    assert {line.method for line in table.lines if line.group == "published"} == {"vae", "betavae"}
    (devae,) = (line for line in table.lines if line.name == ("betavae beta=6",))
    assert devae.cells["mig"].mean == "0.19"
    assert "DeVAE" in table.footnotes[(devae.cells["mig"].note or 0) - 1]
    both = numbers_with_published(lines, published())
    assert both.loc[both["source"] == "", "mean"].tolist() == lines["mean"].tolist()
    assert set(both.loc[both["source"] != "", "metric"]) == {"mig"}
    assert with_published(tables_of(frame, lines), published().iloc[:0]) == tables_of(frame, lines)


def test_another_table_is_not_taken_for_published_numbers(tmp_path: Path) -> None:
    assert PUBLISHED.exists()
    for text in ("", "a,b\n1,2\n"):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(UserError, match=r"p\.csv"):
            published(tmp_path / "p.csv")


def test_the_command(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "runs"
    study(out, 8, vae=0.5, betavae=0.1)
    files = [tmp_path / f"t.{kind}" for kind in ("tex", "md", "csv", "parquet")]
    words = [word for path in files for word in ("--to", path)]
    said = command("table", "--out", out, "--seeds", "0-6", "--published", *words)
    assert said.code == 0
    assert re.search(r"vae +images +encoder +7 +0 .*0\.\d{3} \[\.\d{3}, \.\d{3}\]\*", said.out)
    assert "Holm over 1 comparison)" in " ".join(said.out.split())
    assert "betavae beta=6" in said.out
    assert all(path.stat().st_size > 500 for path in files)
    wrong = command("table", "--out", out, "--to", tmp_path / "t.xls")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert ".parquet" in wrong.err
    wrong = command("table", "--out", out, "--seeds", "11-12")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_the_command_that_chooses(tmp_path: Path, command: Command) -> None:
    for beta, values in {1: [0.1, 0.1, 0.9, 0.8], 4: [0.2, 0.2, 0.3, 0.4]}.items():
        for seed, value in enumerate(values):
            done(tmp_path, "betavae", seed, row("mig", value), settings={"beta": beta})
    said = command("best", "--by", "mig", "--out", tmp_path)
    assert said.code == 0
    assert "chosen on seeds 0-1: highest mean mig" in said.out
    assert "reported on seeds 2-3, which chose nothing" in said.out
    assert re.search(r"betavae beta=4 +images +encoder +2 +0 +0\.350", said.out)
    (record,) = json.loads(command("best", "--by", "mig", "--out", tmp_path, "--json").out)
    assert record["settings"] == "beta=4"
    assert record["held_out"][0]["mean"] == pytest.approx(0.35)
    wrong = command("best", "--by", "mig", "--select", "0-3", "--out", tmp_path)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_what_does_not_pass_the_floor_is_not_bold(tmp_path: Path) -> None:
    """Neither the best mean nor what the test cannot tell from it; the table says so."""
    for seed in range(9):
        done(tmp_path, "vae", seed, row("mig", 0.1 + seed / 1000), row("fid", 40.0))
        done(tmp_path, "gan", seed, row("mig", 0.1 + seed / 999), row("fid", 50.0))
        done(tmp_path, "random", seed, row("mig", 0.2), row("fid", 45.0), steps=0)
    lines = compared(tidy(tmp_path), HIGHER)
    assert lines["best"].sum() == 2
    assert lines.loc[lines["bold"], ["method", "metric"]].to_numpy().tolist() == [["vae", "fid"]]
    (table,) = tables(tmp_path)
    assert "a best mean that is not better than the floor is not bold" in table.notes
