"""What was submitted together, in `<out>/.jobs/<id>/`: all that jobs and who follows them need.

`submission.json` says how, `tasks.jsonl` has a line per job: the runs that it does. Both are data:
nobody who may write to the folder can have a job run what he likes. Beside them are what each job
said, and the batch scripts and tasks that submitit wrote, in a folder of the submitter's own.
"""

import itertools
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.cluster.processes import Process, process
from benchmark.config.score import Score
from benchmark.registry import UserError
from results.atomic import write_text
from results.state import ANY, Wanted

TAIL_LINES, TAIL_BYTES = 20, 8_000


@dataclass(frozen=True)
class Submission:
    """Jobs that were submitted by one command.

    Attributes:
        out: the folder of run folders.
        id: its name.
        on: slurm or local.
        study: the study that was asked for, or "".
        wanted: the rows of scores that a finished run has.
        metrics: the scores that they are of.
        data_dir: where the user keeps original files, or None.
        device: auto, cpu or cuda.
        beside: how many of a job's runs train at once.
        track: scores are taken every so many training steps, too; 0: only at the end.
        asked: the names of all runs that the command asked for, done ones included.
        submitter: who submitted it.
        cluster: Slurm's name for itself.
        clusters: those that sbatch was told to submit to; "" for that one.
        size: tasks of each array but the last.
        arrays: the arrays' job numbers, as far as they are submitted.
        workers: the local processes.
    """

    out: Path
    on: str
    study: str = ""
    wanted: Wanted = ANY
    metrics: tuple[Score, ...] = ()
    data_dir: str | None = None
    device: str = "auto"
    beside: int = 1
    track: int = 0
    asked: tuple[str, ...] = ()
    submitter: Process = field(default_factory=process)
    cluster: str = ""
    clusters: str = ""
    size: int = 1
    arrays: tuple[str, ...] = ()
    workers: tuple[Process, ...] = ()
    id: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def folder(self) -> Path:
        """Its folder."""
        return _jobs(self.out) / self.id

    @property
    def ticket(self) -> Path:
        """A file that local processes renew for all runs that wait for them."""
        return self.folder / "ticket"

    @property
    def heartbeat(self) -> float:
        """When local processes last renewed the ticket, in seconds since 1970; 0 if never."""
        try:
            return self.ticket.stat().st_mtime
        except OSError:
            return 0.0

    def write(self) -> "Submission":
        """Write `submission.json`; UserError if that cannot be."""
        record = asdict(self)
        del record["out"], record["id"]
        record["wanted"]["rows"] = sorted(self.wanted.rows)
        write_text(self.folder / "submission.json", json.dumps(record))
        return self

    def change(self, **what: Any) -> "Submission":
        """Return it with these attributes, written."""
        return replace(self, **what).write()

    def write_tasks(self, tasks: Sequence[Sequence[dict[str, Any]]]) -> None:
        """Write the runs of each task: {"name", "run", "asked"} each."""
        lines = (json.dumps(task) + "\n" for task in tasks)
        write_text(self.folder / "tasks.jsonl", "".join(lines))

    def task(self, number: int) -> list[dict[str, Any]]:
        """Return the runs of a task."""
        with (self.folder / "tasks.jsonl").open() as file:
            line = next(itertools.islice(file, number, None))
        return list(json.loads(line))

    @cached_property
    def tasks(self) -> list[list[dict[str, Any]]]:
        """The runs of every task; none while it is being submitted."""
        try:
            with (self.folder / "tasks.jsonl").open() as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    @cached_property
    def task_of(self) -> dict[str, int]:
        """The task of each run."""
        return {run["name"]: i for i, task in enumerate(self.tasks) for run in task}

    @property
    def number_of_arrays(self) -> int:
        """How many arrays its tasks are split into."""
        return -(-len(self.tasks) // self.size)

    def array(self, task: int) -> tuple[str, int]:
        """Return the name of the array that a task is in, and its index there."""
        return self.array_name(task // self.size), task % self.size

    def array_name(self, number: int) -> str:
        """Return the name of an array: it is known before Slurm gives a number."""
        return f"benchmark-{self.id}-{number}"

    def job(self, task: int) -> str:
        """Return Slurm's number of a submitted task's job; an array of one is none."""
        array, index = divmod(task, self.size)
        alone = len(self.tasks) - array * self.size == 1
        return self.arrays[array] if alone else f"{self.arrays[array]}_{index}"

    def log(self, task: int, index: str = "") -> Path:
        """Return where a task's output goes; `index` stands for its index in the array."""
        name, number = self.array(task)
        return self.folder / f"{name}-{index or number}.log"

    def tail(self, task: int) -> str:
        """Return the end of a task's output."""
        try:
            with self.log(task).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])


def read(folder: Path) -> Submission | None:
    """Return the submission in a folder, None if there is none to be read."""
    try:
        record = json.loads((folder / "submission.json").read_bytes())
        record["submitter"] = Process(**record["submitter"])
        record["workers"] = tuple(Process(**worker) for worker in record["workers"])
        rows, again = record["wanted"]["rows"], record.pop("wanted")["again"]
        wanted = Wanted(frozenset((metric, protocol) for metric, protocol in rows), tuple(again))
        record |= {name: tuple(record[name]) for name in ("asked", "arrays")}
        scores = [Score(**{**one, "factors": (*one["factors"],)}) for one in record["metrics"]]
        record["metrics"] = tuple(scores)
        return Submission(folder.parents[1], **record, wanted=wanted, id=folder.name)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def submissions(out: Path) -> Iterator[Submission]:
    """Yield those in the folder of run folders, oldest first."""
    try:
        folders = sorted(_jobs(out).iterdir(), key=lambda folder: folder.stat().st_mtime)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot list {_jobs(out)}: {error.strerror}") from error
    yield from (found for folder in folders if (found := read(folder)) is not None)


def _jobs(out: Path) -> Path:
    return Path(out).resolve() / ".jobs"
