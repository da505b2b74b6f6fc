"""What was submitted together, in `<out>/.jobs/<id>/`: all that its jobs and who follows them need.

`submission.json` says how, `tasks.jsonl` has a line per job: the runs that it does. Both are data:
nobody who may write to the folder can have a job run what he likes. Beside them are the jobs'
output, and the batch scripts and tasks that submitit wrote, in a folder of the submitter's own.
"""

import json
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchmark.cluster.leases import Process, process
from benchmark.config.score import Score
from benchmark.registry import UserError
from results.atomic import write_text
from results.kept import Keep
from results.state import ANY, Wanted
from results.store import Folder

TAIL_LINES, TAIL_CHARACTERS = 20, 8_000


@dataclass(frozen=True)
class JobOptions:
    """How runs are submitted.

    Attributes:
        on: slurm, local or debug.
        pack: runs a job.
        beside: how many of a job's runs train at once.
        parallel: jobs, or local processes, at once; None for no limit, or what fits this machine.
        retry: whether runs that failed are done again.
        detach: whether jobs go on when the process that submitted them ends, and are not followed.
        sbatch: its options, by long name; "" for one without a value.
        setup: lines of shell that a job begins with.
        data_dir: where the user keeps original files.
        device: auto, cpu, cuda or mps.
    """

    on: str
    pack: int = 1
    beside: int = 1
    parallel: int | None = None
    retry: bool = False
    detach: bool = False
    sbatch: Mapping[str, str] = field(default_factory=dict)
    setup: Sequence[str] = ()
    data_dir: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Submission:
    """Jobs that were submitted by one command.

    Attributes:
        out: the folder of run folders.
        options: how they were submitted.
        wanted: the rows of scores that a finished run has.
        scores: those that the rows are of.
        track: scores are taken every so many training steps, too; 0: only at the end.
        keep: what stays in a run's folder once it is scored.
        names: of all runs of the command, those that were done before included.
        submitter: the process that submitted it.
        cluster: Slurm's name for itself.
        clusters: those that sbatch submitted to; "" for that one.
        size: tasks of each array but the last.
        arrays: the arrays' job numbers, as far as they are submitted.
        workers: the local processes.
        id: its name.
    """

    out: Path
    options: JobOptions
    wanted: Wanted = ANY
    scores: tuple[Score, ...] = ()
    track: int = 0
    keep: Keep = "weights"
    names: tuple[str, ...] = ()
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
    def file(self) -> Path:
        """Its record, whose time local processes renew for all runs that wait for them."""
        return self.folder / "submission.json"

    @property
    def heartbeat(self) -> float:
        """When its record was last written or renewed, in seconds since 1970; 0 if it is gone."""
        try:
            return self.file.stat().st_mtime
        except OSError:
            return 0.0

    def write(self) -> "Submission":
        """Write the record; UserError if that cannot be."""
        write_text(self.file, RECORD.dump_json(self, exclude={"out", "id"}).decode())
        return self

    def change(self, **attributes: Any) -> "Submission":
        """Return it with these attributes, written."""
        return replace(self, **attributes).write()

    def write_tasks(self, tasks: Sequence[Sequence[dict[str, Any]]]) -> None:
        """Write the runs of each task: {"name", "run", "record"} each; the last is `run.json`."""
        lines = (json.dumps(task) + "\n" for task in tasks)
        write_text(self.folder / "tasks.jsonl", "".join(lines))

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

    def array(self, task: int) -> tuple[str, int]:
        """Return the name of the array that a task is in, and its index there.

        The name is known before Slurm gives a number.
        """
        number, index = divmod(task, self.size)
        return f"benchmark-{self.id}-{number}", index

    def job(self, task: int) -> str:
        """Return Slurm's number of a task's job, "" before it has one; an array of one is none."""
        array, index = divmod(task, self.size)
        if not 0 <= array < len(self.arrays):
            return ""
        alone = len(self.tasks) - array * self.size == 1
        return self.arrays[array] if alone else f"{self.arrays[array]}_{index}"

    def log(self, task: int, index: str = "") -> Path:
        """Return where a task's output goes; `index` stands for its index in the array."""
        name, number = self.array(task)
        return self.folder / f"{name}-{index or number}.log"

    def fail(self, run: str, reason: str, log: str) -> None:
        """Record that a run failed, and the last lines that it wrote.

        Raises:
            UserError: its folder cannot be written to.
        """
        folder = Folder(self.out / run)
        if not folder.has_config:
            task = self.tasks[self.task_of[run]]
            folder.write_config(next(one["record"] for one in task if one["name"] == run))
        folder.fail("failed", reason, log=log)

    def tail(self, task: int) -> str:
        """Return the end of a task's output."""
        try:
            with self.log(task).open(errors="replace") as file:
                return "".join(deque(file, TAIL_LINES))[-TAIL_CHARACTERS:].rstrip("\n")
        except OSError:
            return ""


RECORD = TypeAdapter(Submission)


def read(folder: Path) -> Submission | None:
    """Return the submission in a folder, None if there is none to be read."""
    try:
        record = json.loads((folder / "submission.json").read_bytes())
        return RECORD.validate_python({**record, "out": folder.parents[1], "id": folder.name})
    except (OSError, ValueError):
        return None


def submissions(out: Path) -> Iterator[Submission]:
    """Yield those in the folder of run folders; UserError if it cannot be listed."""
    try:
        folders = list(_jobs(out).iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot list {_jobs(out)}: {error.strerror}") from error
    yield from (found for folder in folders if (found := read(folder)) is not None)


def _jobs(out: Path) -> Path:
    return Path(out).resolve() / ".jobs"
