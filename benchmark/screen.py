"""What a run shows while it works: one progress bar, with step, loss and time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmark.run import Run
from benchmark.train import Begin, Report

console = Console(stderr=True)


@contextmanager
def bar(run: Run) -> Iterator[Begin]:
    """Show the run's stages on a bar; lines of text where there is no terminal."""
    name = f"{run.dataset} {run.method} seed {run.seed}"
    if not console.is_terminal:
        yield lines(name)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[values]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None, values="")
        yield lambda stage, steps: _advance(progress, task, f"{name} {stage}", steps)


def _advance(progress: Progress, task: TaskID, name: str, steps: int) -> Report:
    progress.reset(task, description=name, total=steps, values="")

    def report(step: int, means: dict[str, float]) -> None:
        progress.update(task, completed=step, values=values(means))

    return report


def lines(name: str) -> Begin:
    """Report each tenth of a stage as a line: for logs of jobs and pipes."""

    def begin(stage: str, steps: int) -> Report:
        shown = 0

        def report(step: int, means: dict[str, float]) -> None:
            nonlocal shown
            if step * 10 // max(steps, 1) > shown:
                shown = step * 10 // max(steps, 1)
                print(f"{name} {stage} {step}/{steps} {values(means)}", file=sys.stderr, flush=True)

        return report

    return begin


def values(means: dict[str, float]) -> str:
    """Return the losses among the means as a short text."""
    losses = [(name.removeprefix("loss_"), v) for name, v in means.items() if "loss_" in name]
    return " ".join(f"{name} {value:.4g}" for name, value in losses)
