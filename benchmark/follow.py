"""Following runs that others do: how many are done, until nobody has any of them in hand."""

import os
import signal
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from benchmark.hands import settle
from benchmark.status import Standing, left, sentence, survey
from benchmark.submission import Submission

SHORTEST, LONGEST = 0.5, 15.0
console = Console(stderr=True)


def follow(names: Sequence[str], out: Path, rows: Collection[tuple[str, str]]) -> list[Standing]:
    """Say what becomes of the runs until none is queued or running; return their ends.

    Raises:
        UserError: the folder of runs or its locks cannot be read.
    """
    said, pause = "", SHORTEST
    ended: dict[str, Standing] = {}
    with console.status("") as line:
        while True:
            holds = settle(out)
            todo = [name for name in names if name not in ended]
            now = {s.run: s for s in survey(todo, out, holds, rows)}
            ended |= {name: s for name, s in now.items() if s.state in ("done", "diverged")}
            standings = [ended.get(name) or now[name] for name in names]
            told = sentence(standings)
            if told != said:
                said, pause = told, SHORTEST
                time_left = left(standings, out)
                line.update(told + (f"; about {time_left} left" if time_left else ""))
                if not console.is_terminal:
                    print(told, file=sys.stderr, flush=True)
            if not any(s.state in ("queued", "running") for s in standings):
                return standings
            time.sleep(pause)
            pause = min(1.3 * pause, LONGEST)


def stop(submission: Submission) -> None:
    """Have the local processes of a submission save what they train, and end."""
    for worker in submission.workers:
        if worker.is_here and worker.alive:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
    while any(worker.is_here and worker.alive for worker in submission.workers):
        time.sleep(SHORTEST)
