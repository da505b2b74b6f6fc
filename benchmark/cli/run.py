"""`python -m benchmark run` and `status`: runs here, or as jobs, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import (
    AsJson,
    DataDir,
    Device,
    Factors,
    Out,
    Rows,
    Scores,
    Side,
    StudyName,
    Supervision,
)
from benchmark.errors import UserError

if TYPE_CHECKING:  # these import torch, which `status` does without
    from benchmark.cluster.submission import JobOptions
    from benchmark.config.study import Study

JOBS = "Jobs (with --on)"
REFERENCE = "Add what untrained, random and true codes score."
SBATCH = "Any option of sbatch, like qos=low; repeated."
TIME = "Minutes until a job is interrupted and requeued."

Datasets = Annotated[
    str | None, typer.Option(help="Comma-separated names; dsprites, or those of the study.")
]
Seeds = Annotated[str | None, typer.Option(help="Like 0-4 or 0,2,7; 0, or those of the study.")]
Budget = Annotated[
    str | None, typer.Option(help="quick (the default), or paper: the steps of each paper.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Like betavae.beta=1,4,16; can be repeated.")
]
Precision = Annotated[str | None, typer.Option(help="auto (the default), float32 or bfloat16.")]
Track = Annotated[
    int, typer.Option(help="Score every so many training steps, too; 0: never.", min=0)
]


def _job(text: str, *names: str, **more: Any) -> Any:
    """Return an option that is about jobs."""
    return typer.Option(*names, help=text, rich_help_panel=JOBS, **more)


def run(
    methods: Annotated[str | None, typer.Option(help="Comma-separated names, or all.")] = None,
    datasets: Datasets = None,
    metrics: Scores = None,
    side: Side = "encoder",
    factors: Factors = "all",
    rows: Rows = None,
    seeds: Seeds = None,
    budget: Budget = None,
    steps: Annotated[str | None, typer.Option(help="Training steps, instead of a budget.")] = None,
    set_: Set = None,
    study: StudyName = None,
    out: Out = Path("runs"),
    data_dir: DataDir = None,
    device: Device = "auto",
    precision: Precision = None,
    sees: Supervision = None,
    reference: Annotated[bool, typer.Option(help=REFERENCE)] = True,
    track: Track = 0,
    json: AsJson = False,
    on: Annotated[str | None, _job("slurm, local (processes of this machine) or debug.")] = None,
    detach: Annotated[bool, _job("Submit and return.", "--detach")] = False,
    retry: Annotated[bool, _job("Runs that failed, too.", "--retry")] = False,
    dry_run: Annotated[bool, _job("Say what there is to do.", "--dry-run")] = False,
    pack: Annotated[int, _job("Runs a job.", min=1)] = 1,
    beside: Annotated[int, _job("How many of a job's runs train at once.", min=1)] = 1,
    parallel: Annotated[int | None, _job("Jobs, or local processes, at once.", min=1)] = None,
    partition: Annotated[str | None, _job("Of Slurm.")] = None,
    gpus: Annotated[str | None, _job("GPUs a job, like 1 or a100:1.")] = None,
    time: Annotated[int | None, _job(TIME, min=1)] = None,
    slurm: Annotated[list[str] | None, _job(SBATCH)] = None,
) -> None:
    """Train and score methods on data sets; the same command again does only what is missing."""
    from benchmark import comparison
    from benchmark.config.plan import Plan
    from benchmark.config.score import Scoring

    plan = Plan(methods, datasets, seeds, study, budget, steps, set_, precision, sees, reference)
    jobs = Jobs(on, detach, retry, pack, beside, parallel, partition, gpus, time, slurm or ())
    found = plan.parse()
    where = "auto" if on == "slurm" else device
    asked = comparison.plan(found, Scoring(metrics, side, factors, rows), where, track)
    if on is None and not dry_run:
        jobs.refuse()
        failed = comparison.run(asked, out, data_dir, retry)
        comparison.show(asked, out, json)
    else:
        from benchmark.cluster import submit

        folder = None if data_dir is None else data_dir.resolve()
        options = replace(jobs.options(found), data_dir=folder, device=device)
        failed = submit.run(asked, out, options, dry_run=dry_run, json=json)
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Jobs:
    """The options about jobs, as given."""

    on: str | None
    detach: bool
    retry: bool
    pack: int
    beside: int
    parallel: int | None
    partition: str | None
    gpus: str | None
    time: int | None
    slurm: Sequence[str]

    def refuse(self) -> None:
        """Raise UserError if one is given that means nothing without jobs."""
        for name in ("partition", "time", "gpus", "detach", "parallel", "slurm", "pack", "beside"):
            value = getattr(self, name)
            if value and value != (1 if name in ("pack", "beside") else "0"):
                raise UserError(f"--{name}: it is for jobs; add --on slurm or --on local")

    def options(self, study: "Study") -> "JobOptions":
        """Return how jobs run: by the user's own file, then the study, then these options."""
        from benchmark.cluster import sbatch_options
        from benchmark.cluster.submission import JobOptions

        tables = [sbatch_options.user_table(), study.slurm]
        gpus = None if self.gpus == "0" else self.gpus
        ours = {"partition": self.partition, "time": self.time, "gpus": gpus}
        options = [f"{name}={value}" for name, value in ours.items() if value is not None]
        return JobOptions(
            self.on or "local",
            pack=max(self.pack, self.beside),
            beside=self.beside,
            parallel=self.parallel,
            retry=self.retry,
            detach=self.detach,
            sbatch=sbatch_options.options(tables, [*options, *self.slurm]),
            setup=sbatch_options.setup(tables),
        )


def status(
    study: StudyName = None,
    out: Out = Path("runs"),
    json: AsJson = False,
) -> None:
    """Say what became of runs: done, running, queued, failed, diverged or missing, and why."""
    from benchmark.cluster import status as statuses
    from results.terminal import console

    if study is None:
        states = statuses.states_of_folder(out)
    else:
        states = statuses.states_of_study(study, out)
    if not states:
        raise UserError(f"no runs in {out}; `python -m benchmark run` makes some")
    if json:
        print(statuses.as_json(states, out))
    else:
        console().print(statuses.printed(states, out))
