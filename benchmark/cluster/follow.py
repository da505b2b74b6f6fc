"""Following runs that others do: how many are done, until nobody has any of them in hand.

`python -m benchmark.cluster.follow SUBMISSION` follows local processes without torch in memory,
which is half a gigabyte that they have themselves.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from benchmark import ROOT
from benchmark.cluster.holders import settle
from benchmark.cluster.status import left, sentence, survey, under_way
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
        UserError: the folder of runs or its locks cannot be read.
    """
    said, pause = "", SHORTEST
    ended: dict[str, RunState] = {}
    with console.status("") as line:
        while True:
            holds = settle(out)
            todo = [name for name in names if name not in ended]
            now = {s.run: s for s in survey(todo, out, holds, wanted)}
            over = {name: s for name, s in now.items() if s.state in ("done", "diverged")}
            if said:
                _print_scores(over, out)
            ended |= over
            states = [ended.get(name) or now[name] for name in names]
            counted = sentence(states)
            if counted != said:
                said, pause = counted, SHORTEST
                if not console.is_terminal:
                    print(counted, file=sys.stderr, flush=True)
            line.update(Text(_with_progress(counted, states, out)))
            if not any(s.state in ("queued", "running") for s in states):
                return states
            time.sleep(pause)
            pause = min(1.3 * pause, LONGEST)


def _print_scores(names: Iterable[str], out: Path) -> None:
    for name in names:
        print(Folder(out / name).summary(), file=sys.stderr, flush=True)


def _with_progress(counted: str, states: Sequence[RunState], out: Path) -> str:
    time_left, steps = left(states, out), under_way(states, out)
    return "; ".join(filter(None, (counted, steps, f"about {time_left} left" if time_left else "")))


def replace_process(submission: Submission, json: bool) -> NoReturn:
    """Become a program that follows a submission's local processes, and shows what they did."""
    words = [str(submission.folder), *(["--json"] if json else [])]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    sys.stdout.flush()
    sys.stderr.flush()
    program = [sys.executable, "-m", "benchmark.cluster.follow", *words]
    os.execve(sys.executable, program, os.environ | {"PYTHONPATH": path})


def main(folder: Path, json: bool) -> int:
    """Follow a submission's local processes to their end; return the exit code."""
    submission = read(folder)
    if submission is None:
        raise UserError(f"cannot read the submission in {folder}")
    try:
        ended = follow(submission.asked, submission.out, submission.wanted)
    except KeyboardInterrupt:
        print("saving", file=sys.stderr)
        stop(submission)
        raise
    from results.output import show_runs  # drawing libraries, which following does without

    rows = [metric for metric, _ in submission.wanted.rows]
    show_runs(submission.asked, rows, submission.out, json, submission.track > 0)
    return int(any(one.state != "done" for one in ended))


def stop(submission: Submission) -> None:
    """Have the local processes of a submission save what they train, and end."""
    for worker in submission.workers:
        if worker.is_here and worker.alive:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
    while any(worker.is_here and worker.alive for worker in submission.workers):
        time.sleep(SHORTEST)


if __name__ == "__main__":
    exit_with(lambda: main(Path(sys.argv[1]), "--json" in sys.argv))
