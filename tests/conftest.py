"""What every test shares: a cache folder of its own, and data sets drawn once a session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from datasets import Dataset, load
from tests.command import Command, served
from tests.supervisor import die_with_parent

MARKED = ("slow", "slurm", "browser", "gpu")

os.register_at_fork(after_in_child=die_with_parent)
if "PYTEST_XDIST_WORKER" in os.environ:
    die_with_parent()
    # Test processes side by side, and those that they start, share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point $BENCHMARK_DATA at a new folder, so that no test touches the user's cache.

    Test processes side by side share it: what one has drawn, the others need not draw.
    """
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "data"
    shared.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_DATA", str(shared))
        yield shared


@pytest.fixture(scope="session")
def toy() -> Dataset:
    return load("toy")


@pytest.fixture(scope="session")
def dsprites(data_folder: Path) -> Dataset:
    """All 737,280 images, drawn at the first request."""
    return load("dsprites")


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Run `python -m benchmark` with these words."""
    yield from served(tmp_path_factory.mktemp("said"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="Slow tests, Slurm and a browser, too.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked unless it is asked for; begin with what waits for Slurm mostly."""
    kept = items
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip("there is no GPU"))
    if not (config.getoption("--all") or config.getoption("markexpr")):
        kept = [item for item in items if not any(map(item.get_closest_marker, MARKED))]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("slurm") is None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return as many processes as there are cores, one more where one mostly waits for Slurm."""
    return (os.cpu_count() or 1) + bool(config.getoption("--all"))
