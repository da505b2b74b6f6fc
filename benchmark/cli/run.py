"""`python -m benchmark run` and `status`: runs here, or as jobs, and what became of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:  # it imports torch, which `status` does without
    from benchmark.comparison import Comparison

JOBS = "Jobs (with --on)"


def _count(text: str) -> Any:
    return typer.Option(help=text, min=1, rich_help_panel=JOBS)


def run(
    methods: Annotated[str, typer.Option(help="Comma-separated names, or all.")] = "",
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

    scored: dict[str, Any] = {"metrics": metrics, "side": side, "factors": factors, "rows": rows}
    scored["device"] = "auto" if on == "slurm" else device
    trained: dict[str, Any] = {
        "budget": budget,
        "steps": steps,
        "set": set_,
        "precision": precision,
        "sees": sees,
    }
    if study is None:
        asked = _asked(methods, datasets, seeds, reference, trained, scored)
        tables: list[Mapping[str, Any]] = []
    else:
        asked, own = _of_study(study, methods, datasets, seeds, trained, scored)
        tables = [own]
    asked = replace(asked, track=track)
    slurms = {"partition": partition, "time": time, "gpus": None if gpus == "0" else gpus}
    if on is None and not dry_run:
        jobs = {**slurms, "detach": detach, "parallel": parallel, "slurm": slurm}
        jobs |= {"pack": pack > 1, "beside": beside > 1}
        _refuse(jobs, "it is for jobs; add --on slurm or --on local")
        failed = comparison.run(asked, out, data_dir, retry)
        comparison.show(asked, out, json)
    else:
        from benchmark.cluster import launch, sbatch_options
        from benchmark.cluster.submit import How

        tables.insert(0, sbatch_options.user_table())
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


def _asked(
    methods: str,
    datasets: str | None,
    seeds: str | None,
    reference: bool,
    trained: Mapping[str, Any],
    scored: Mapping[str, Any],
) -> "Comparison":
    """Return what the command line asks for."""
    from benchmark import comparison

    return comparison.ask(
        methods=methods,
        datasets="dsprites" if datasets is None else datasets,
        seeds="0" if seeds is None else seeds,
        budget="quick" if trained["budget"] is None else trained["budget"],
        steps=trained["steps"],
        settings=trained["set"] or [],
        precision="auto" if trained["precision"] is None else trained["precision"],
        sees=trained["sees"],
        reference=reference,
        **scored,
    )


def _of_study(
    study: str,
    methods: str,
    datasets: str | None,
    seeds: str | None,
    trained: Mapping[str, Any],
    scored: Mapping[str, Any],
) -> "tuple[Comparison, Mapping[str, Any]]":
    """Return what a study asks for, and its own table for Slurm.

    Raises:
        UserError: something is asked for that the study says itself.
    """
    from benchmark import comparison
    from benchmark.config.study import find

    _refuse(trained, f"the study {study} says that itself")
    found = find(study)
    asked = comparison.of_study(
        found, methods=methods or None, datasets=datasets, seeds=seeds, **scored
    )
    return asked, found.slurm


def _refuse(given: Mapping[str, object], why: str) -> None:
    for name, value in given.items():
        if value:
            raise UserError(f"--{name}: {why}")


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
