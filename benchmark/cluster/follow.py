"""Following runs that others do: how many are done, until nobody holds any of them.

`python -m benchmark.cluster.follow SUBMISSION` follows local processes without torch in memory,
which is half a gigabyte that they have themselves.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from benchmark import ROOT
from benchmark.cluster.liveness import release_dead
from benchmark.cluster.status import sentence, states, time_left, under_way
from benchmark.cluster.submission import Submission, read
from benchmark.exit_code import exit_with
from benchmark.registry import UserError
from results.state import RunState, Wanted
from results.store import Folder

SHORTEST, LONGEST = 0.5, 15.0
console = Console(stderr=True)


def follow(names: Sequence[str], out: Path, wanted: Wanted) -> list[RunState]:
    """Say what becomes of the runs until none is queued or running; return their ends.

    Raises:
        UserError: the folder of runs or its leases cannot be read.
    """
    printed, pause = "", SHORTEST
    ended: dict[str, RunState] = {}
    with console.status("") as line:
        while True:
            todo = [name for name in names if name not in ended]
            now = {one.run: one for one in states(todo, out, release_dead(out), wanted)}
            over = {name: one for name, one in now.items() if one.state in ("done", "diverged")}
            for name in over if printed else ():
                print(Folder(out / name).summary(), file=sys.stderr, flush=True)
            ended |= over
            found = [ended.get(name) or now[name] for name in names]
            counted = sentence(found)
            if counted != printed:
                printed, pause = counted, SHORTEST
                if not console.is_terminal:
                    print(counted, file=sys.stderr, flush=True)
            parts = (counted, under_way(found, out), time_left(found, out))
            line.update(Text("; ".join(filter(None, parts))))
            if not any(one.state in ("queued", "running") for one in found):
                return found
            time.sleep(pause)
            pause = min(1.3 * pause, LONGEST)


def environment() -> dict[str, str]:
    """Return the variables of a process that is to import this checkout from wherever it starts."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}


def replace_process(submission: Submission, json: bool) -> NoReturn:
    """Become a program that follows a submission's local processes, and shows what they did."""
    program = [sys.executable, "-m", "benchmark.cluster.follow", str(submission.folder)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [*program, *(["--json"] if json else [])], environment())


def main(folder: Path, json: bool) -> int:
    """Follow a submission's local processes to their end; return the exit code."""
    submission = read(folder)
    if submission is None:
        raise UserError(f"cannot read the submission in {folder}")
    try:
        ended = follow(submission.names, submission.out, submission.wanted)
    except KeyboardInterrupt:
        print("saving", file=sys.stderr)
        stop(submission)
        raise
    from results.output import show_runs  # drawing libraries, which following does without

    rows = [metric for metric, _ in submission.wanted.rows]
    show_runs(submission.names, rows, submission.out, json, submission.track > 0)
    return int(any(one.state != "done" or one.lacks_scores for one in ended))


def stop(submission: Submission) -> None:
    """Have the local processes of a submission save what they train, and end."""
    for worker in submission.workers:
        if worker.alive:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
    while any(worker.alive for worker in submission.workers):
        time.sleep(SHORTEST)


if __name__ == "__main__":
    exit_with(lambda: main(Path(sys.argv[1]), "--json" in sys.argv))
