"""Studies: what a file asks for, and that every mistake names file and key."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from benchmark.comparison import plan
from benchmark.config.score import Score, Scoring
from benchmark.config.study import SHIPPED, find, names, read, shipped
from benchmark.registry import DATASETS, METHODS, UserError
from methods.infogan import LAYOUTS

GOOD = """# whose it is
title = "t"
datasets = ["toy"]
seeds = "0-2"
steps = 7
metrics = ["mig"]

[[grid]]
method = ["vae", "gan"]
set = { latents = [2, 3] }

[[grid]]
method = "betavae"
set = { beta = 4 }
seeds = [5]
budget = "paper"

[slurm]
partition = "gpu"
exclusive = true
setup = ["module load cuda"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


def test_it_is_a_union_of_products(tmp_path: Path) -> None:
    study = read(written(tmp_path, GOOD))
    assert study.metrics == ["mig"]
    assert study.slurm["setup"] == ["module load cuda"]
    told = Counter((run.method, run.settings["latents"], run.steps) for run in study.runs())
    assert told == {
        ("vae", 2, 7): 3, ("vae", 3, 7): 3, ("gan", 2, 7): 3, ("gan", 3, 7): 3,
        ("betavae", 10, 300_000): 1,
    }  # fmt: skip
    (one,) = (run for run in study.runs() if run.method == "betavae")
    assert (one.seed, one.budget, one.settings["beta"]) == (5, "paper", 4.0)


def test_how_it_is_scored(tmp_path: Path) -> None:
    """As the options of the command line say it, which override the file."""
    said = 'side = "both"\nrows = "50000"\ntrack = 3\n'
    study = read(written(tmp_path, said + GOOD))
    planned = plan(study, Scoring(), "cpu")
    assert planned.scores == (Score("mig", rows=50_000), Score("mig", "generator"))
    assert planned.track == 3
    planned = plan(study, Scoring(side="encoder", rows="all"), "cpu", track=0)
    assert planned.scores == (Score("mig"),)
    assert planned.track == 0


def test_the_same_run_twice_is_one(tmp_path: Path) -> None:
    grid = '[[grid]]\nmethod = "vae"\ndatasets = "toy"\n'
    assert len(read(written(tmp_path, 2 * grid)).runs()) == 1


def test_a_method_without_a_papers_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS["betavae"].value, "paper_steps", {})
    file = written(tmp_path, GOOD)
    with pytest.raises(UserError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: grid[1].budget: betavae does not say its paper")


def test_a_part_of_it(tmp_path: Path) -> None:
    study = read(written(tmp_path, GOOD))
    assert len(study.part("gan", None, "1-9").runs()) == 4
    with pytest.raises(UserError, match=r"unknown method of the study 'pca'; .*betavae, gan, vae"):
        study.part("pca", None, None)
    with pytest.raises(UserError, match=r"^the study has no such run; its seeds: "):
        study.part(None, None, "77")


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        (
            ('method = "betavae"', 'method = "betavea"'),
            "grid[1].method",
            "unknown method 'betavea'",
        ),
        (('method = "betavae"', ""), "grid[1].method", "it is missing"),
        (('["toy"]', '["toi"]'), "datasets", "unknown data set 'toi'; did you mean 'toy'?"),
        (('"0-2"', '"2-0"'), "seeds", "'2-0': 2-0 runs backwards"),
        (("steps = 7", 'steps = "7"'), "steps", "expected a whole number, found '7'"),
        (("steps = 7", "steps = 0"), "steps", "expected at least 1, found 0"),
        (("steps = 7", "stepps = 7"), "stepps", "unknown key 'stepps'; did you mean 'steps'?"),
        (("steps = 7", "steps = true"), "steps", "expected a whole number, found True"),
        (("steps = 7", "rows = 70"), "rows", "expected a text, found 70"),
        (("steps = 7", 'rows = "70"'), "rows", "unknown rows '70'; known: "),
        (("steps = 7", 'side = "bot"'), "side", "unknown side 'bot'; did you mean 'both'?"),
        (("steps = 7", "track = -1"), "track", "expected at least 0, found -1"),
        (('["mig"]', '["mgi"]'), "metrics", "unknown metric 'mgi'; did you mean 'mig'?"),
        (("beta = 4", "bta = 4"), "grid[1].set", "unknown hyper-parameter of betavae 'bta'"),
        (("beta = 4", 'beta = "x"'), "grid[1].set", "betavae.beta: 'x' is not a number"),
        (("beta = 4", "beta = true"), "grid[1].set", "betavae.beta: True is not a number"),
        (("beta = 4", "latents = 2.5"), "grid[1].set", "betavae.latents: 2.5 is not a whole"),
        (("beta = 4", "beta = []"), "grid[1].set", "betavae.beta: there is no value"),
        (("seeds = [5]", "seeds = [-5]"), "grid[1].seeds", "-5: a seed is at least 0"),
        (
            ("seeds = [5]", 'seeds = ["a"]'),
            "grid[1].seeds[0]",
            "expected a whole number, found 'a'",
        ),
        (('"paper"', '"papre"'), "grid[1].budget", "unknown budget 'papre'; did you mean 'paper'?"),
        (('budget = "paper"', 'budgt = "paper"'), "grid[1].budgt", "unknown key 'budgt'"),
        (('"gpu"', '["gpu"]'), "slurm.partition", "['gpu'] is not an option of sbatch"),
        (('["module load cuda"]', '"module"'), "slurm.setup", "expected a list, found 'module'"),
        (("{ beta = 4 }", "4"), "grid[1].set", "expected a table, found 4"),
        (('["mig"]', "[3]"), "metrics[0]", "expected a text, found 3"),
        (("[[grid]]", "[[gird]]"), "gird", "unknown key 'gird'; did you mean 'grid'?"),
        (('datasets = ["toy"]', ""), "", "grid[0] has no datasets, and neither has the top"),
        (("steps = 7", 'steps = 7\nbudget = "quick"'), "", "steps and budget exclude each other"),
    ],
    ids=lambda part: part[1] if isinstance(part, tuple) else "",
)
def test_mistakes(tmp_path: Path, change: tuple[str, str], key: str, expected: str) -> None:
    file = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(UserError) as error:
        read(file)
    place = f"{file}: {key}: " if key else f"{file}: "
    assert str(error.value).startswith(place + expected)
    assert "\n" not in str(error.value)


def test_what_is_no_toml_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.toml: .*line 2"):
        read(written(tmp_path, "steps = 3\nsteps 4\n"))
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.toml"):
        find(str(tmp_path / "nowhere.toml"))
    with pytest.raises(UserError, match="did you mean 'locatello2019'"):
        find("locatelo2019")


def test_locatello2019() -> None:
    """6 methods x 6 strengths x 50 seeds x 7 data sets, 300,000 steps each."""
    runs = find("locatello2019").runs()
    assert len({run.key for run in runs}) == len(runs) == 12_600
    assert {run.steps for run in runs} == {300_000}
    kinds = Counter((run.method, run.settings.get("variant"), run.dataset) for run in runs)
    assert set(kinds.values()) == {300}
    assert len(kinds) == 6 * 7
    assert {run.settings["lambda_d"] for run in runs if run.settings.get("variant") == "ii"} == {1}


def test_betavae2017_is_the_papers_set_up() -> None:
    """Each row of its table 1, by its metric, with the papers' networks where it has some."""
    study = find("betavae2017")
    assert study.metrics == ["betavae_2017", "betavae"]
    table = {run.method: run for run in study.runs()}
    rows = {"betavae", "vae", "infogan", "dcign", "pca", "ica", "pixels", "untrained", "truth"}
    assert table.keys() == rows
    paper = {name for name, run in table.items() if run.settings.get("nets") == "paper"}
    assert paper == {"betavae", "vae", "untrained", "dcign"}
    assert all(len({r.seed for r in study.runs() if r.method == name}) >= 3 for name in rows)
    assert {run.settings["lr"] for name, run in table.items() if name in ("vae", "betavae")} == {
        0.01
    }
    assert table["betavae"].settings["beta"] == 4
    assert {run.precision for run in study.runs()} == {"float32"}


def test_a_setting_brings_others_unless_they_are_given(tmp_path: Path) -> None:
    grid = '[[grid]]\nmethod = "betavae"\ndatasets = "celeba"\nset = { nets = ["shared", "paper"]'
    told = [
        [(run.settings["nets"], run.settings["latents"], run.settings["beta"]) for run in runs]
        for runs in (
            read(written(tmp_path, f"{grid}{more} }}")).runs() for more in ("", ", latents = 10")
        )
    ]
    assert told == [
        [("shared", 10, 4), ("paper", 32, 250)],
        [("shared", 10, 4), ("paper", 10, 250)],
    ]


def test_infogan2016() -> None:
    runs = [run for run in find("infogan2016").runs() if run.dataset == "mnist"]
    assert {run.settings["inform"] for run in runs} == {True, False}
    assert {run.steps for run in runs} == {5_000}


def test_every_shipped_study_says_whose_it_is() -> None:
    assert names() == ["betavae2017", "infogan2016", "locatello2019"]
    for name, title, source in shipped():
        assert find(name).name == name
        assert "https://" in source
        assert title


@pytest.mark.parametrize("name", names())
def test_it_runs_the_networks_that_it_names(name: str) -> None:
    """Where its file names none, those that methods share; and they exist for the data set."""
    tables = tomllib.loads((SHIPPED / f"{name}.toml").read_text())["grid"]
    for table, grid in zip(tables, find(name).grids, strict=True):
        named = table.get("set", {}).get("nets", "shared")
        runs = {(run.dataset, run.method): run for run in grid.runs()}
        assert {run.settings.get("nets", named) for run in runs.values()} == {named}
        for run in runs.values():
            run.cls(DATASETS[run.dataset].facts["spec"], **run.settings)


def test_infogan2016_has_all_layouts_of_the_paper() -> None:
    assert {run.dataset for run in find("infogan2016").runs()} == {*LAYOUTS}
