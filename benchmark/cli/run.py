"""`python -m benchmark run` and `status`: runs here, or as jobs, and what became of them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import (
    RUNS,
    AsJson,
    DataDir,
    Device,
    Factors,
    Out,
    Scores,
    Side,
    StudyName,
    Supervision,
    expanded,
)
from benchmark.errors import UserError

if TYPE_CHECKING:  # these import torch, which `status` does without
    from benchmark.cluster.submission import JobOptions
    from benchmark.comparison import Comparison
    from benchmark.config.study import Study
    from benchmark.queue import Store

DATASETS = "Comma-separated names; dsprites, or those of the study."
ROWS = (
    "Images that are encoded and scored: all, or 50000, the fixed table of the quick budget, which "
    "is its default; all is that of any other."
)
SEEDS = "Like 0-4 or 0,2,7; 0, or those of the study."
BUDGET = "quick (the default), or paper: the steps of each paper."
SETTINGS = "Like betavae.beta=1,4,16; can be repeated."
PRECISION = "auto (the default), float32, tf32 (on an NVIDIA GPU) or bfloat16."
REFERENCE = "Add what untrained, random and true codes score."
TRACK = "Score every so many training steps, too; 0: never."
SBATCH = "Any option of sbatch, like qos=low; repeated."
KEEP = "What stays of a run once it is scored: scores; codes, too; or weights, everything."
STORE = (
    "Keep the scores of the study's finished runs in FILE.parquet beside its FILE.toml, and run "
    "what is not there yet, in order."
)
MINUTES = "Save and stop after so many minutes; the same command continues."
TIME = "Minutes until a job is interrupted and requeued."


def _job(text: str, *names: str, **more: Any) -> Any:
    """Return an option that is about jobs."""
    return typer.Option(*names, help=text, rich_help_panel="Jobs (with --on)", **more)


@dataclass(frozen=True)
class Jobs:
    """The options about jobs, as given."""

    on: Annotated[str | None, _job("slurm, local (processes of this machine) or debug.")] = None
    detach: Annotated[bool, _job("Submit and return.", "--detach")] = False
    retry: Annotated[bool, _job("Runs that failed, too.", "--retry")] = False
    dry_run: Annotated[bool, _job("Say what there is to do.", "--dry-run")] = False
    pack: Annotated[int, _job("Runs a job.", min=1)] = 1
    beside: Annotated[int, _job("How many of a job's runs train at once.", min=1)] = 1
    parallel: Annotated[int | None, _job("Jobs, or local processes, at once.", min=1)] = None
    partition: Annotated[str | None, _job("Of Slurm.")] = None
    gpus: Annotated[str | None, _job("GPUs a job, like 1 or a100:1.")] = None
    time: Annotated[int | None, _job(TIME, min=1)] = None
    slurm: Annotated[list[str] | None, _job(SBATCH)] = None

    def refuse(self) -> None:
        """Raise UserError if one is given that means nothing without jobs."""
        for option in fields(self):
            value = getattr(self, option.name)
            if value and value not in (option.default, "0") and option.name != "retry":
                raise UserError(f"--{option.name}: it is for jobs; add --on slurm or --on local")

    def options(self, study: "Study", data_dir: Path | None, device: str) -> "JobOptions":
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
            sbatch=sbatch_options.options(tables, [*options, *(self.slurm or ())]),
            setup=sbatch_options.setup(tables),
            data_dir=None if data_dir is None else data_dir.resolve(),
            device=device,
        )


@expanded
def run(
    jobs: Jobs,
    methods: Annotated[str | None, typer.Option(help="Comma-separated names, or all.")] = None,
    datasets: Annotated[str | None, typer.Option(help=DATASETS)] = None,
    metrics: Scores = None,
    side: Side = None,
    factors: Factors = "all",
    rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    seeds: Annotated[str | None, typer.Option(help=SEEDS)] = None,
    budget: Annotated[str | None, typer.Option(help=BUDGET)] = None,
    steps: Annotated[str | None, typer.Option(help="Training steps, instead of a budget.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help=SETTINGS)] = None,
    study: StudyName = None,
    out: Out = RUNS,
    data_dir: DataDir = None,
    device: Device = "auto",
    precision: Annotated[str | None, typer.Option(help=PRECISION)] = None,
    sees: Supervision = None,
    reference: Annotated[bool, typer.Option(help=REFERENCE)] = True,
    track: Annotated[int | None, typer.Option(help=TRACK, min=0)] = None,
    keep: Annotated[str, typer.Option(help=KEEP)] = "weights",
    store: Annotated[bool, typer.Option("--store", help=STORE)] = False,
    minutes: Annotated[float | None, typer.Option(help=MINUTES, min=0)] = None,
    json: AsJson = False,
) -> None:
    """Train and score methods on data sets; the same command again does only what is missing."""
    from benchmark.config.plan import Plan
    from benchmark.config.score import Scoring

    planned = Plan(
        methods, datasets, seeds, study, budget, steps, settings, precision, sees, reference
    ).parse()
    from benchmark import comparison, queue  # which import torch

    where = "auto" if jobs.on == "slurm" else device
    scoring = Scoring(metrics, side, factors, rows)
    requested = comparison.plan(planned, scoring, where, track, keep)
    kept = queue.store_of(study, scoring) if store else None
    requested = _queued(requested, jobs, kept, out, minutes)
    if jobs.on is None and not jobs.dry_run:
        jobs.refuse()
        failed = comparison.run(requested, out, data_dir, jobs.retry)
        comparison.show(requested, out, json)
    else:
        from benchmark.cluster import submit

        options = jobs.options(planned, data_dir, device)
        failed = submit.run(requested, out, options, dry_run=jobs.dry_run, json=json)
    raise typer.Exit(failed > 0)


def _queued(
    requested: "Comparison", jobs: Jobs, store: "Store | None", out: Path, minutes: float | None
) -> "Comparison":
    """Return what is left to run, and stop it after so many minutes."""
    from benchmark import queue

    if jobs.on is not None and (store or minutes):
        raise UserError("--store and --minutes are of runs in this process; leave out --on")
    if minutes:
        queue.stop_after(minutes)
    return requested if store is None else queue.left(requested, store, out, jobs.retry)


def status(study: StudyName = None, out: Out = RUNS, json: AsJson = False) -> None:
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
