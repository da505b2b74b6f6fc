"""What a job does once it needs torch: bring one run to its end."""

import gc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from benchmark import arithmetic, plan
from benchmark.registry import UserError
from benchmark.run import Bench, Run, execute, last_words
from benchmark.screen import lines
from benchmark.submission import Submission
from benchmark.track import Track
from benchmark.train import Stopped
from datasets import Dataset, load


def bring(asked: dict[str, Any], submission: Submission, stop: Callable[[], bool]) -> str:
    """Bring a run to its end; return its state. When stopped, it is saved and unfinished.

    Raises:
        UserError: its folder cannot be written to, not even why.
    """
    run = Run(**asked["run"])
    folder = run.folder(submission.out)
    track = Track(submission.track, submission.metrics)
    bench = Bench(submission.out, arithmetic.device(submission.device), stop, track)
    begin = lines(f"{run.dataset} {run.method} seed {run.seed}")
    reason = log = ""
    try:
        dataset = _load(run.dataset, submission.data_dir)
        plan.check_fits([run], dataset)
        execute(run, dataset, list(submission.metrics), bench, begin)
    except Stopped:
        pass
    except UserError as error:
        reason, log = str(error), last_words()
    if reason:
        gc.collect()  # a file that did not fit on the disk stays there while its error is known
        if not folder.was_asked:
            folder.ask(asked["asked"])
        folder.fail("failed", reason, log=log)
    return folder.state


@cache
def _load(name: str, data_dir: str | None) -> Dataset:
    return load(name, None if data_dir is None else Path(data_dir))
