"""What a run shows: one progress bar while it works, with step, loss and time left."""

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
)

from benchmark.config.run import Run
from benchmark.training.loop import Begin, Report
from benchmark.training.time_left import Remaining

console = Console(stderr=True)


@contextmanager
def bar(run: Run, remaining: Remaining | None = None) -> Iterator[Begin]:
    """Show the run's stages on a bar; lines of text where there is no terminal.

    Args:
        run: what is done.
        remaining: of the whole command, told of the run's progress; its text is shown beside it.
    """
    name = f"{run.dataset} {run.method} seed {run.seed}"
    if remaining is not None:
        remaining.begin((run.dataset, run.method), run.steps)
    if not console.is_terminal:
        yield lines(name, remaining)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[values]}"),
        )
        with Progress(*columns, console=console, transient=remaining is not None) as progress:
            task = progress.add_task(name, total=None, values="")
            yield lambda stage, steps: _advance(progress, task, name, stage, steps, remaining)
    if remaining is not None:
        remaining.end()


def _advance(
    progress: Progress,
    task: TaskID,
    name: str,
    stage: str,
    steps: int,
    remaining: Remaining | None,
) -> Report:
    progress.reset(task, description=f"{name} {stage}", total=steps, values="")

    def report(step: int, means: dict[str, float]) -> None:
        text = _noted(remaining, stage, step, steps)
        progress.update(task, completed=step, values=values(means) + text)

    return report


def _noted(remaining: Remaining | None, stage: str, step: int, steps: int) -> str:
    """Tell how far the stage is, and return how long the whole command still takes."""
    if remaining is None:
        return ""
    remaining.progress(stage, step, steps)
    return remaining.text()


def lines(name: str, remaining: Remaining | None = None) -> Begin:
    """Report each tenth of a stage as a line: for logs of jobs and pipes."""

    def begin(stage: str, steps: int) -> Report:
        shown = 0

        def report(step: int, means: dict[str, float]) -> None:
            nonlocal shown
            text = _noted(remaining, stage, step, steps)
            if step * 10 // max(steps, 1) > shown:
                shown = step * 10 // max(steps, 1)
                told = f"{name} {stage} {step}/{steps} {values(means)}".rstrip()
                print(told + text, file=sys.stderr, flush=True)

        return report

    return begin


def values(means: dict[str, float]) -> str:
    """Return the losses among the means as a short text."""
    losses = [(name.removeprefix("loss_"), v) for name, v in means.items() if "loss_" in name]
    return " ".join(f"{name} {value:.4g}" for name, value in losses)
