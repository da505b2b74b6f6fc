"""What a job does once it needs torch: bring one run to its end."""

import functools
import gc
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.cluster.leases import Lost
from benchmark.cluster.submission import Submission
from benchmark.config.applicable import check_fits
from benchmark.config.run import Run
from benchmark.errors import UserError, traceback_end
from benchmark.evaluation.tracking import Track
from benchmark.runner import Context, execute
from benchmark.training import hardware
from benchmark.training.loop import Stopped
from benchmark.training.progress import lines
from datasets import Dataset, load, packed_file
from results.atomic import write_text
from results.store import Folder

LIVES = 3
TOO_SHORT = (
    f"it came back {LIVES} times with no step and no stage done: its jobs have too little time"
)


def bring(
    asked: dict[str, Any],
    submission: Submission,
    stop: Callable[[], bool],
    verify: Callable[[str], None],
) -> str:
    """Bring a run to its end; return its state. When stopped, it is saved and unfinished.

    Args:
        asked: the run, as it was submitted.
        submission: what it was submitted with.
        stop, verify: see `Context`.

    Raises:
        Lost: another process has taken it over.
        UserError: its folder cannot be written to, not even why.
    """
    run, folder = Run(**asked["run"]), Folder(submission.out / asked["name"])
    track = Track(submission.track, submission.metrics)
    context = Context(submission.out, hardware.device(submission.device), stop, track, verify)
    begin = lines(f"{run.dataset} {run.method} seed {run.seed}")
    reason = log = ""
    lives = submission.folder / f"{folder.name}.json"
    try:
        if run.folder(submission.out).name != folder.name:
            raise UserError(f"{run.method} is of another version than when it was submitted")
        if idle_lives(lives, folder, run.dataset) >= LIVES:
            raise UserError(TOO_SHORT)
        dataset = _load(run.dataset, submission.data_dir)
        check_fits([run], dataset)
        execute(run, dataset, submission.metrics, context, begin)
    except Stopped:
        pass
    except Lost:
        raise
    except UserError as error:
        reason, log = str(error), traceback_end()
    if reason:
        gc.collect()  # a file that did not fit on the disk stays there while its error is known
        if not folder.was_asked:
            folder.ask(asked["asked"])
        folder.fail("failed", reason, log=log)
    if not stop():
        with suppress(OSError):
            lives.unlink()
    return folder.state


def idle_lives(record: Path, folder: Folder, dataset: str) -> int:
    """Return how many lives in a row a run has had that left nothing behind; begin another.

    Args:
        record: the file in which they are counted.
        folder: the run's.
        dataset: its data set, of which the cache folder keeps what is made once for all runs.

    Raises:
        UserError: the file cannot be written.
    """
    now = _left_behind(folder, dataset)
    before: dict[str, Any] = {"left": "", "idle": -1}
    with suppress(OSError, ValueError):
        before |= json.loads(record.read_bytes())
    idle = before["idle"] + 1 if before["left"] in ("", now) else 0
    write_text(record, json.dumps({"left": now, "idle": idle}))
    return idle


def _left_behind(folder: Folder, dataset: str) -> str:
    """Return a digest of what a run would continue from: stages' files, and checkpoints' times."""
    root = packed_file.root()
    shared = [*root.glob(f"oracle-{dataset}-*"), *root.glob(f"inception/{dataset}-*")]
    found = {}
    for path in sorted([*folder.path.rglob("*"), *shared]):
        # Logs and records are written anew in every life, and hidden files are torn ones.
        if path.suffix not in (".csv", ".json") and not path.name.startswith("."):
            with suppress(OSError):  # another run has just finished what all of them share
                found[str(path)] = path.stat().st_mtime if "checkpoint" in path.name else 0
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


@functools.cache
def _load(name: str, data_dir: str | None) -> Dataset:
    return load(name, None if data_dir is None else Path(data_dir))
