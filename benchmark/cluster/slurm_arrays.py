"""The tasks of a submission as arrays of Slurm: submitit writes the batch scripts and submits them.

It is asked for nothing else. Whether a job lives is for `holders` to say, by the name of its array,
and what it did for the folders of its runs: so nothing waits for ever on a job that died
without a word, and nothing that lies in a folder of runs is unpickled to look at it.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import submitit

from benchmark import ROOT
from benchmark.cluster.job import Task
from benchmark.cluster.submission import Submission
from benchmark.registry import UserError

NOTICE_SECONDS = 90
USUAL = {"requeue": "", "signal": f"B:USR2@{NOTICE_SECONDS}", "kill-on-invalid-dep": "yes"}
FOR_OTHERS_TO_WRITE = 0o022


def submit(
    submission: Submission,
    number: int,
    options: Mapping[str, str],
    setup: Sequence[str],
    parallel: int | None,
) -> str:
    """Submit one array of a submission; return the number of its job.

    Args:
        submission: whose tasks they are.
        number: of the array.
        options: of sbatch, by long name; "" for one without a value.
        setup: lines of shell that each job begins with.
        parallel: how many of its tasks may run at once; None for all.

    Raises:
        UserError: Slurm refuses, in its words, or a file cannot be written.
    """
    first = number * submission.size
    tasks = range(first, min(first + submission.size, len(submission.tasks)))
    # Of one task, submitit makes a job that is no array.
    log = submission.log(first) if len(tasks) == 1 else submission.log(first, "%a")
    told = {**USUAL, **options, "output": str(log), "ntasks": "1"}
    try:
        folder = _private(submission.folder / "submitit")
        # The task takes the shell's place, and so its signals.
        executor = submitit.SlurmExecutor(folder, python=f"exec {shlex.quote(sys.executable)}")
        executor.update_parameters(
            job_name=submission.array_name(number),
            array_parallelism=parallel or len(tasks),
            setup=[*_setup(folder), *setup],
            additional_parameters={k.replace("-", "_"): v or True for k, v in told.items()},
            stderr_to_stdout=True,
            use_srun=False,
            # Of these, Slurm knows better what is usual at the site.
            time=None,
            wckey=None,
        )
        with redirect_stderr(StringIO()):  # what sbatch says is in the error, too
            job, *_ = executor.submit_array([Task(str(submission.folder), i) for i in tasks])
    except RuntimeError as error:
        raise UserError(" ".join(str(error).splitlines())) from error
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}") from error
    return job.job_id.partition("_")[0]


def _private(folder: Path) -> Path:
    """Make a folder for pickles, which only its owner can write to: jobs load what lies there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & FOR_OTHERS_TO_WRITE:
        raise UserError(f"others could write to {folder}, and so say what jobs do")
    return folder


def _setup(folder: Path) -> list[str]:
    """Return what every job begins with; it loads no pickle where anybody else could have put it.

    Slurm keeps these lines for itself from the submission on.
    """
    place = shlex.quote(str(folder))
    found = f'find {place} -maxdepth 0 -type d -uid "$(id -u)" ! -perm /{FOR_OTHERS_TO_WRITE:o}'
    return [
        f'[ -n "$({found})" ] || {{ echo error: {place} is not private; exit 1; }}',
        f'export PYTHONPATH={shlex.quote(str(ROOT))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        'export SUBMITIT_LOG_LEVEL="${SUBMITIT_LOG_LEVEL:-ERROR}"',
        "trap '' USR2",  # which would end a Python that is still being imported
    ]
