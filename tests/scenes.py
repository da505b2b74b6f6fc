"""Runs on a Slurm of one's own that tests can disturb, and how to see what becomes of them."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.cluster.submission import submissions
from results.store import Folder, folders

STEPS = 100
SLOW = '''
"""A VAE that takes its time, so that tests can disturb it."""
import os, time
from typing import Literal
from benchmark.registry import METHODS
from methods.vae import VAE


@METHODS.register("slow", source="a test", version=1)
class Slow(VAE):
    """A VAE that sleeps $PAUSE seconds a step until it is requeued, and may raise or diverge."""

    def __init__(self, spec, *, trouble: Literal["none", "raise", "nan"] = "none") -> None:
        super().__init__(spec)
        self.trouble, self.steps = trouble, 0

    def losses(self, batch):
        if "SLURM_RESTART_COUNT" not in os.environ:
            time.sleep(float(os.environ.get("PAUSE", "0")))
        self.steps += 1
        if self.steps == 2:
            print("it trains", flush=True)
        if self.trouble == "raise" and self.steps > 5:
            raise RuntimeError("CUDA out of luck")
        for name, loss in super().losses(batch):
            yield name, loss * float("nan") if self.trouble == "nan" and self.steps > 5 else loss
'''


class Scene(NamedTuple):
    """A folder of runs, and how to see what happens in it."""

    out: Path

    @property
    def run(self) -> Folder:
        """Its only run."""
        (folder,) = folders(self.out)
        return folder

    @property
    def pickles(self) -> Path:
        """The folder from which its only submission's jobs load their tasks."""
        (submission,) = submissions(self.out)
        return submission.folder / "submitit"

    def said(self) -> str:
        return "".join(sorted(log.read_text() for log in self.out.glob(".jobs/*/*.log")))

    def begun(self) -> list[str]:
        lines = [line for line in self.said().splitlines() if ": begins, in job" in line]
        return sorted(line.partition(":")[0] for line in lines)

    def job(self) -> str:
        """Slurm's number of the first task."""
        (submission,) = submissions(self.out)
        return submission.job(0)

    def waits(self) -> bool:
        """Whether Slurm has its first task in the queue, or runs it."""
        return self.job() in slurm_says("squeue", "-h", "-r", "-o", "%i").split()

    def training(self) -> bool:
        """Whether its run has said so."""
        return "it trains" in self.said()


def until(true: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


def slurm_says(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def study(
    folder: Path, method: str = "slow", seeds: str = "0", steps: int = STEPS, **more: Any
) -> Path:
    """Write a study of the toy data set."""
    file = folder / "study.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    sets = ", ".join(f"{name} = {json.dumps(value)}" for name, value in more.items())
    file.write_text(
        f'datasets = "toy"\nmetrics = ["mig"]\nseeds = "{seeds}"\nsteps = {steps}\n'
        f"[[grid]]\nmethod = {json.dumps(method.split(','))}\nset = {{ {sets} }}\n"
        '[slurm]\nmem = "1500M"\n'
    )
    return file


def words(folder: Path, *more: object) -> list[object]:
    return [
        "run",
        "--study",
        folder / "study.toml",
        "--out",
        folder / "runs",
        "--on",
        "slurm",
        *more,
    ]
