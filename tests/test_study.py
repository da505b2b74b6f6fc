"""Studies: what a file asks for, and that every mistake names file, line and key."""

from collections import Counter
from pathlib import Path

import pytest

from benchmark.comparison import Comparison, of_study
from benchmark.config.study import find, names, read
from benchmark.registry import UserError

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
    asked = of_study(study)
    assert asked.metrics == ["mig"]
    assert study.slurm["setup"] == ["module load cuda"]
    told = Counter((run.method, run.settings["latents"], run.steps) for run in asked.runs)
    assert told == {
        ("vae", 2, 7): 3, ("vae", 3, 7): 3, ("gan", 2, 7): 3, ("gan", 3, 7): 3,
        ("betavae", 10, 300_000): 1,
    }  # fmt: skip
    (one,) = (run for run in asked.runs if run.method == "betavae")
    assert (one.seed, one.budget, one.settings["beta"]) == (5, "paper", 4.0)


def test_the_same_run_twice_is_one(tmp_path: Path) -> None:
    grid = '[[grid]]\nmethod = "vae"\ndatasets = "toy"\n'
    assert len(of_study(read(written(tmp_path, 2 * grid))).runs) == 1


def test_a_part_of_it(tmp_path: Path) -> None:
    study = read(written(tmp_path, GOOD))
    assert len(of_study(study, methods="gan", seeds="1-9").runs) == 4
    with pytest.raises(UserError, match=r"unknown method of the study 'pca'; .*betavae, gan, vae"):
        of_study(study, methods="pca")


@pytest.mark.parametrize(
    ("change", "line", "expected"),
    [
        (('method = "betavae"', 'method = "betavea"'), 13, "method: unknown method 'betavea'"),
        (('["toy"]', '["toi"]'), 3, "datasets: unknown data set 'toi'; did you mean 'toy'?"),
        (('"0-2"', '"2-0"'), 4, "seeds: '2-0': 2-0 runs backwards"),
        (("steps = 7", 'steps = "7"'), 5, "steps: '7' is no whole number"),
        (("steps = 7", "steps = 0"), 5, "steps: 0 is not at least 1"),
        (("steps = 7", "stepps = 7"), 5, "stepps: unknown key 'stepps'; did you mean 'steps'?"),
        (("steps = 7", "steps = true"), 5, "steps: True is no whole number"),
        (('["mig"]', '["mgi"]'), 6, "metrics: unknown metric 'mgi'; did you mean 'mig'?"),
        (("beta = 4", "bta = 4"), 14, "set: unknown hyper-parameter of betavae 'bta'"),
        (("beta = 4", 'beta = "x"'), 14, "set: betavae.beta: 'x' is not a number"),
        (("beta = 4", "beta = []"), 14, "set: beta = [] is no value"),
        (("seeds = [5]", "seeds = [-5]"), 15, "seeds: '-5' is not like 0-4"),
        (('"paper"', '"papre"'), 16, "budget: unknown budget 'papre'; did you mean 'paper'?"),
        (('budget = "paper"', 'budgt = "paper"'), 16, "budgt: unknown key 'budgt'"),
        (('"gpu"', '["gpu"]'), 19, "partition: ['gpu'] is not what sbatch can be told"),
        (('["module load cuda"]', '"module"'), 21, "setup: 'module' is not what sbatch"),
        (("[[grid]]", "[[gird]]"), 8, "gird: unknown key 'gird'; did you mean 'grid'?"),
        (('datasets = ["toy"]', ""), 8, "grid: it has no datasets, and neither has the top"),
    ],
    ids=lambda part: part[1] if isinstance(part, tuple) else "",
)
def test_mistakes(tmp_path: Path, change: tuple[str, str], line: int, expected: str) -> None:
    file = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(UserError) as error:
        of_study(read(file))
    assert str(error.value).startswith(f"{file}, line {line}, {expected}")
    assert "\n" not in str(error.value)


def test_what_is_no_toml_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.toml: .*line 2"):
        read(written(tmp_path, "steps = 3\nsteps 4\n"))
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.toml"):
        find(str(tmp_path / "nowhere.toml"))
    with pytest.raises(UserError, match="did you mean 'locatello2019'"):
        find("locatelo2019")


def shipped(name: str) -> Comparison:
    return of_study(find(name))


def test_locatello2019() -> None:
    """6 methods x 6 strengths x 50 seeds x 7 data sets, 300,000 steps each."""
    runs = shipped("locatello2019").runs
    assert len({run.key for run in runs}) == len(runs) == 12_600
    assert {run.steps for run in runs} == {300_000}
    kinds = Counter((run.method, run.settings.get("variant"), run.dataset) for run in runs)
    assert set(kinds.values()) == {300}
    assert len(kinds) == 6 * 7
    assert {run.settings["lambda_d"] for run in runs if run.settings.get("variant") == "ii"} == {1}


def test_betavae2017_and_infogan2016() -> None:
    table = {run.method for run in shipped("betavae2017").runs}
    assert table >= {"betavae", "vae", "infogan", "dcign", "pca", "ica", "pixels", "untrained"}
    runs = [run for run in shipped("infogan2016").runs if run.dataset == "mnist"]
    assert {run.settings["inform"] for run in runs} == {True, False}
    assert {run.steps for run in runs} == {5_000}


def test_every_shipped_study_says_whose_it_is() -> None:
    assert names() == ["betavae2017", "infogan2016", "locatello2019"]
    for name in names():
        assert "https://" in find(name).source
        assert find(name).title
