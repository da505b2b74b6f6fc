"""The code and the commands of README and docs/ run as they stand."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from benchmark.claims.reproduce import REPRODUCED, markdown, stored
from benchmark.cli.main import app
from benchmark.config.grid import QUICK_STEPS, steps
from benchmark.config.study import find
from benchmark.registry import METHODS, UserError
from benchmark.training.batches import Batches
from benchmark.training.loop import advance
from datasets import Dataset, load
from docs.generate import filled
from tests.command import Command

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}
README, CLUSTER = PAGES["README.md"], PAGES["docs/cluster.md"]
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
(STUDY,) = re.findall(r"```toml\n(.*?)```", CLUSTER, re.DOTALL)
METHOD, API = CODE.findall(README)
DATA, _ = CODE.findall(PAGES["docs/datasets.md"])
EXAMPLES = [code for text in PAGES.values() for code in CODE.findall(text) if code != METHOD]
COMMANDS = sorted(
    {
        line
        for text in PAGES.values()
        for line in re.findall(
            r"^    python -m benchmark (.*?)\s*(?:#.*|&&.*)?$", text, re.MULTILINE
        )
    }
)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150
    assert len(API.splitlines()) <= 15


def test_the_method_is_short_and_trains(toy: Dataset) -> None:
    assert len(METHOD.splitlines()) <= 40
    METHODS.names()
    try:
        exec(compile(METHOD, "README.md", "exec"), {"__name__": "readme"})
        method = METHODS["sparse"].value(toy.spec)
        assert steps("sparse", "toy", "quick", None) == (QUICK_STEPS, "quick")
        assert steps("sparse", "toy", "quick", 7) == (7, "steps")
        with pytest.raises(UserError, match="sparse does not say its paper's steps"):
            steps("sparse", "toy", "paper", None)
    finally:
        METHODS._entries.pop("sparse", None)
    batches = Batches(toy, torch.device("cpu"))
    optimisers = method.optimisers()
    torch.manual_seed(0)
    taken = [
        advance(method, batches.training_batch(method, i), optimisers, "float32") for i in range(30)
    ]
    assert taken[-1]["loss_adam"] < taken[0]["loss_adam"]
    x = batches.training_batch(method, 0)
    assert method.decode(method.encode(x)).shape == x.x.shape


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(
    code: str, dsprites: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {"__name__": "example"})


def test_the_data_set_is_used_as_shown(dsprites: Dataset) -> None:
    names: dict[str, object] = {}
    exec(compile(DATA, "docs/datasets.md", "exec"), names)
    assert len(load("dsprites")) == len(dsprites) == 737_280
    assert getattr(names["images"], "shape", None) == (64, 1, 64, 64)
    factors = names["factors"]
    assert [len(set(column)) > 1 for column in factors.T] == [False] * 3 + [True, False]  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_their_options_exist(line: str) -> None:
    words, command = shlex.split(line), get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context("benchmark", words)


def test_the_study_is_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    study = find(str(tmp_path / "mine.toml"))
    assert len(study.runs()) == 2 * 5 * (3 + 2)
    assert study.slurm == {"account": "lab", "setup": ["module load cuda"]}


@pytest.mark.parametrize("page", ["README.md", "docs/cluster.md"])
def test_the_commands_on_a_cluster_are_taken(page: str, command: Command, tmp_path: Path) -> None:
    """As they stand, but for a part of the study, and nothing is submitted."""
    pattern = r"python -m benchmark (run --study locatello2019 .*?)\s*(?:#.*)?$"
    lines = re.findall(pattern, PAGES[page], re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        done = command(*line.split(), "--dry-run", "--seeds", "0", "--out", tmp_path / "runs")
        assert done.out.splitlines()[0] == "252 runs: 252 missing", done.err


def test_the_two_commands_are_the_same_as_in_the_check() -> None:
    first, second = re.findall(r"^    (command -v uv .*)$", README, re.MULTILINE)
    assert first.endswith("run python -m benchmark run --methods infogan,betavae")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == second


def test_the_table_of_claims_is_the_stored_one() -> None:
    assert markdown(stored(REPRODUCED)) in PAGES["docs/results.md"]


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_stored_runs(page: str) -> None:
    """`python -m docs.generate` writes them."""
    assert filled(PAGES[page]) == PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    rooms = "benchmark|datasets|docs|methods|metrics|results|tests"
    for path in re.findall(rf"(?<![/\w-])(?:{rooms})/[\w/]*\w\.(?:py|csv)\b", PAGES[page]):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:tests|docs)[.\w]+)", PAGES[page]):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_to_files(page: str) -> None:
    """Sphinx sees those from page to page of docs/, and no others."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page]):
        assert (ROOT / page).parent.joinpath(target).exists(), target
