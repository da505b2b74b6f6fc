"""What a run shows: one progress bar while it works, with step, loss and time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmark.config.run import Run
from benchmark.training.loop import Begin, Report
from benchmark.training.time_left import Remaining

console = Console(stderr=True)


@contextmanager
def bar(run: Run, remaining: Remaining) -> Iterator[Begin]:
    """Show the run's stages on a bar; lines of text where there is no terminal.

    Args:
        run: what is done.
        remaining: of the whole command, updated with the run's progress, and shown beside it.
    """
    name = f"{run.dataset} {run.method} seed {run.seed}"
    remaining.start((run.dataset, run.method), run.steps)
    if console.is_terminal:
        with _progress() as progress:
            yield _on_bar(progress, name, remaining)
    else:
        yield lines(name, remaining.progress)
    remaining.end()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[values]}"),
        console=console,
        transient=True,
    )


def _on_bar(progress: Progress, name: str, remaining: Remaining) -> Begin:
    task = progress.add_task(name, total=None, values="")

    def begin(stage: str, steps: int) -> Report:
        progress.reset(task, description=f"{name} {stage}", total=steps, values="")

        def report(step: int, means: dict[str, float]) -> None:
            text = losses(means) + remaining.progress(stage, step, steps)
            progress.update(task, completed=step, values=text)

        return report

    return begin


def lines(name: str, time_left: Callable[[str, int, int], str] = lambda *_: "") -> Begin:
    """Report each tenth of a stage as a line: for logs of jobs and pipes.

    Args:
        name: of the run.
        time_left: returns the text that ends a line, from stage, step and number of steps.
    """

    def begin(stage: str, steps: int) -> Report:
        shown = 0

        def report(step: int, means: dict[str, float]) -> None:
            nonlocal shown
            text = time_left(stage, step, steps)
            if step * 10 // max(steps, 1) > shown:
                shown = step * 10 // max(steps, 1)
                line = f"{name} {stage} {step}/{steps} {losses(means)}".rstrip()
                print(line + text, file=sys.stderr, flush=True)

        return report

    return begin


def losses(means: dict[str, float]) -> str:
    """Return the losses among the means as a short text."""
    found = [(name.removeprefix("loss_"), v) for name, v in means.items() if "loss_" in name]
    return " ".join(f"{name} {value:.4g}" for name, value in found)
