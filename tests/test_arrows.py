"""The arrows of the house: which room may import which, read from the source of every file."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("benchmark", "datasets", "methods", "metrics", "results")

# Who may import what of ours: the longest name that fits the importer counts. A name allows
# everything below it.
ARROWS: dict[str, tuple[str, ...]] = {
    "benchmark.errors": (),
    "benchmark.registry": ("benchmark.errors",),
    "benchmark.config.parse": ("benchmark.errors",),
    "benchmark": ("benchmark", "datasets", "methods", "metrics", "results"),
    # The first puts the checkout on the path, for those who import nothing but `datasets`.
    "datasets": ("benchmark.registry", "benchmark.errors", "datasets"),
    "datasets.__init__": ("benchmark", "datasets"),
    "methods": ("benchmark.registry", "benchmark.errors", "datasets.base", "methods"),
    "metrics": ("benchmark.registry", "benchmark.errors", "metrics"),
    "results": ("benchmark.registry", "benchmark.errors", "benchmark.config.parse", "results"),
}
NO_TORCH = (
    "datasets",
    "metrics",
    "results",
    "benchmark.registry",
    "benchmark.cli",
    "benchmark.api",
)
# It is read by torch, imported when its file is.
LATE_TORCH = ("datasets.faces3d",)


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the dotted names of all imports, those within functions, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*(parents if node.level else []), *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def below(name: str, *tops: str) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def faults(module: str, source: str) -> list[str]:
    """Return the imports of a module, `datasets.toy` for example, that no arrow allows."""
    arrow = max((name for name in ARROWS if below(module, name)), key=len)
    tree = ast.parse(source)
    package = module.rpartition(".")[0]
    found = []
    for name in imported(tree, package):
        ours = below(name, *ROOMS, "tests")
        alien = ours and not below(name, *ARROWS[arrow])
        torch = below(name, "torch", "torchvision") and below(module, *NO_TORCH)
        cli = below(name, "benchmark.cli") and not below(
            module, "benchmark.cli", "benchmark.__main__"
        )
        if alien or cli or (torch and not below(module, *LATE_TORCH)):
            found.append(f"{module} imports {name}")
    return found


def modules() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda part: str(part)[-30:])
def test_every_import_follows_an_arrow(module: str, path: Path) -> None:
    assert faults(module, path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("benchmark.registry", "import datasets"),
        ("benchmark.registry", "from benchmark.training.loop import LOG_EVERY"),
        ("benchmark.runner", "from benchmark.cli.main import main"),
        ("benchmark.runner", "from benchmark import cli"),
        ("benchmark.cli.main", "import torch"),
        ("datasets.toy", "from methods.base import Batch"),
        ("datasets.toy", "import torch"),
        ("datasets.toy", "from ..benchmark.train import LOOK"),
        ("methods.vae", "from datasets import load"),
        ("methods.vae", "from datasets.toy import SPEC"),
        ("methods.vae", "from benchmark import train"),
        ("methods.vae", "from results.store import Folder"),
        ("metrics.mig", "import torch.nn as nn"),
        ("metrics.mig", "from methods.base import Method"),
        ("metrics.mig", "from datasets.base import Spec"),
        ("results.table", "def late():\n    import torch"),
        ("results.table", "from benchmark.runner import Run"),
        ("results.table", "from metrics.base import score"),
        ("results.table", "from tests.conftest import toy"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    assert len(faults(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("benchmark.__main__", "from benchmark.cli.main import main"),
        ("methods.vae", "import torch\nfrom datasets.base import Spec\nfrom . import nets"),
        ("metrics.mig", "import benchmark_tools, torchmetrics"),
        ("datasets.toy", "from .base import Grid"),
    ],
)
def test_a_right_import_is_not(module: str, source: str) -> None:
    assert faults(module, source) == []


def test_only_one_file_knows_submitit_and_only_slurm_needs_it() -> None:
    """It takes a moment to import, so what imports it is itself imported late."""
    for module, path in modules():
        tree, package = ast.parse(path.read_text()), module.rpartition(".")[0]
        at_once = [part for part in tree.body if isinstance(part, ast.Import | ast.ImportFrom)]
        named = [name for part in at_once for name in imported(part, package)]
        assert not any(below(name, "submitit") for name in named), module
        knows = any(below(name, "submitit") for name in imported(tree, package))
        assert knows == (module == "benchmark.cluster.slurm"), module


def python(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run code elsewhere, with nothing of ours on the path but what it adds."""
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_laptop_needs_no_torch(tmp_path: Path) -> None:
    """Not even through a third module: each room in turn, in one process."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    for room in (
        "benchmark.cli.main",
        "datasets",
        "benchmark.api",
        "metrics.base",
        "results.output",
    ):
        code += f"import {room}\nprint({room!r}, 'torch' in sys.modules)\n"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    expected = [
        "benchmark.cli.main False",
        "datasets False",
        "benchmark.api False",
        "metrics.base False",
        "results.output False",
    ]
    assert done.stdout.splitlines() == expected


def test_studies_are_listed_without_torch(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "from benchmark.cli.listing import list_\nlist_('studies')\n"
    done = python(code + "print('torch' in sys.modules)", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "locatello2019" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


class TestNames:
    """`datasets` is the name of Hugging Face's package, too."""

    def test_a_foreign_package_imported_first_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "datasets").mkdir()
        (tmp_path / "datasets" / "__init__.py").write_text("foreign = True\n")
        code = f"import sys, datasets; sys.path.insert(0, {str(ROOT)!r}); import benchmark"
        done = python(code, tmp_path)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("ImportError: another package called 'datasets'")
        assert str(tmp_path / "datasets" / "__init__.py") in last
        assert "import benchmark first" in last

    def test_a_foreign_namespace_package_is_an_error(self, tmp_path: Path) -> None:
        """A folder without __init__.py, such as a user's own data."""
        (tmp_path / "datasets").mkdir()
        code = f"import sys, datasets; sys.path.insert(0, {str(ROOT)!r}); import benchmark"
        done = python(code, tmp_path)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("ImportError: another package")

    def test_a_foreign_package_on_the_path_is_not(self, tmp_path: Path) -> None:
        """The checkout goes before it."""
        (tmp_path / "datasets").mkdir()
        (tmp_path / "datasets" / "__init__.py").write_text("foreign = True\n")
        code = f"import sys; sys.path.append({str(ROOT)!r}); import benchmark; import datasets; "
        done = python(code + "print(len(datasets.load('toy')))", tmp_path)
        assert done.stdout == "96\n", done.stderr

    def test_only_benchmark_is_packaged(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        assert project["tool"]["setuptools"]["packages"]["find"] == {"include": ["benchmark*"]}
        named = [text.split("[")[0].split("=")[0] for text in project["project"]["dependencies"]]
        assert "datasets" not in named

    def test_every_room_is_a_package_and_tests_is_none(self) -> None:
        assert all((ROOT / room / "__init__.py").exists() for room in ROOMS)
        assert not (ROOT / "tests" / "__init__.py").exists()
