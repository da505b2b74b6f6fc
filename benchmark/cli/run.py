"""`python -m benchmark run` and `status`: runs here, or as jobs, and what became of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.options import (
    AsJson,
    DataDir,
    Factors,
    Out,
    Rows,
    Scores,
    Side,
    StudyName,
    Supervision,
)
from benchmark.registry import UserError

JOBS = "Jobs (with --on)"


def _count(text: str) -> Any:
    return typer.Option(help=text, min=1, rich_help_panel=JOBS)


def run(
    methods: Annotated[str | None, typer.Option(help="Comma-separated names, or all.")] = None,
    datasets: Annotated[
        str | None, typer.Option(help="Comma-separated names; dsprites, or those of the study.")
    ] = None,
    metrics: Scores = None,
    side: Side = "encoder",
    factors: Factors = "all",
    rows: Rows = None,
    seeds: Annotated[
        str | None, typer.Option(help="Like 0-4 or 0,2,7; 0, or those of the study.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="quick (the default), or paper: the steps of each paper.")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="Training steps, instead of a budget.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Like betavae.beta=1,4,16; can be repeated.")
    ] = None,
    study: StudyName = None,
    out: Out = Path("runs"),
    data_dir: DataDir = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="auto (the default), float32 or bfloat16.")
    ] = None,
    sees: Supervision = None,
    reference: Annotated[
        bool, typer.Option(help="Add what untrained, random and true codes score.")
    ] = True,
    track: Annotated[
        int, typer.Option(help="Score every so many training steps, too; 0: never.", min=0)
    ] = 0,
    json: AsJson = False,
    on: Annotated[
        str | None,
        typer.Option(
            help="slurm, local (processes of this machine) or debug.", rich_help_panel=JOBS
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Submit and return.", rich_help_panel=JOBS)
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Runs that failed, too.", rich_help_panel=JOBS)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is to do.", rich_help_panel=JOBS)
    ] = False,
    pack: Annotated[int, _count("Runs a job.")] = 1,
    beside: Annotated[int, _count("How many of a job's runs train at once.")] = 1,
    parallel: Annotated[int | None, _count("Jobs, or local processes, at once.")] = None,
    partition: Annotated[str | None, typer.Option(help="Of Slurm.", rich_help_panel=JOBS)] = None,
    gpus: Annotated[
        str | None, typer.Option(help="GPUs a job, like 1 or a100:1.", rich_help_panel=JOBS)
    ] = None,
    time: Annotated[int | None, _count("Minutes until a job is interrupted and requeued.")] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="Any option of sbatch, like qos=low; repeated.", rich_help_panel=JOBS),
    ] = None,
) -> None:
    """Train and score methods on data sets; the same command again does only what is missing."""
    from benchmark import comparison
    from benchmark.config.plan import Plan
    from benchmark.config.score import Scoring

    plan = Plan(methods, datasets, seeds, study, budget, steps, set_, precision, sees, reference)
    found = plan.parse()
    scoring = Scoring(metrics, side, factors, rows)
    asked = comparison.ask(found, scoring, "auto" if on == "slurm" else device, track)
    slurms = {"partition": partition, "time": time, "gpus": None if gpus == "0" else gpus}
    if on is None and not dry_run:
        jobs = {**slurms, "detach": detach, "parallel": parallel, "slurm": slurm}
        _refuse(jobs | {"pack": pack > 1, "beside": beside > 1})
        failed = comparison.run(asked, out, data_dir, retry)
        comparison.show(asked, out, json)
    else:
        from benchmark.cluster import launch, sbatch_options
        from benchmark.cluster.submit import How

        tables = [sbatch_options.user_table(), found.slurm]
        told = [f"{name}={value}" for name, value in slurms.items() if value is not None]
        how = How(
            on or "local",
            study or "",
            pack=max(pack, beside),
            beside=beside,
            parallel=parallel,
            retry=retry,
            detach=detach,
            options=sbatch_options.options(tables, [*told, *(slurm or [])]),
            setup=sbatch_options.setup(tables),
            data_dir=data_dir,
            device=device,
        )
        failed = launch.launch(asked, out, how, dry_run=dry_run, json=json)
    if failed:
        raise typer.Exit(1)


def _refuse(jobs: Mapping[str, object]) -> None:
    """Raise UserError if an option that is for jobs is given."""
    for name in (name for name, value in jobs.items() if value):
        raise UserError(f"--{name}: it is for jobs; add --on slurm or --on local")


def status(
    study: StudyName = None,
    out: Out = Path("runs"),
    json: AsJson = False,
) -> None:
    """Say what became of runs: done, running, queued, failed, diverged or missing, and why."""
    from benchmark.cluster import status as statuses
    from benchmark.cluster.holders import glance
    from results.terminal import console

    if study is None:
        holds = glance(out)
        states = statuses.survey(statuses.known(out, holds), out, holds)
    else:
        from benchmark.cluster import launch

        states = launch.states_of_study(study, out)
    if not states:
        raise UserError(f"no runs in {out}; `python -m benchmark run` makes some")
    if json:
        print(statuses.as_json(states, out))
    else:
        console().print(statuses.shown(states, out))
