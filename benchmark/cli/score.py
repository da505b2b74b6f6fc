"""`python -m benchmark score`: codes that are there already."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import DataDir, Factors, Scores, Side
from benchmark.errors import UserError


def score(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs.")] = None,
    codes: Annotated[
        list[Path] | None,
        typer.Option(
            help="An .npy of (N, L) numbers, an .npz (codes, index or factors, std) or a .pt of "
            "tensors; repeatable."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="The data set that --codes without factors are of.")
    ] = "dsprites",
    metrics: Scores = None,
    side: Side = None,
    factors: Factors = "all",
    json: Annotated[Path | None, typer.Option(help="Write the scores there.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of --codes.")] = 0,
    reference: Annotated[bool, typer.Option(help="Score floor and ceiling beside --codes.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Score codes that are there: finished runs', without the model, or any other program's."""
    from functools import cache

    from benchmark.config.score import Scoring
    from benchmark.evaluation import external_codes
    from benchmark.evaluation import score as scores
    from datasets import load
    from results.files import write_json
    from results.terminal import console

    if bool(runs) == bool(codes):
        raise UserError("score needs either folders of runs or --codes FILE")
    if codes and side not in (None, "encoder"):
        raise UserError(f"--side {side} is of runs: --codes FILE has no generator")
    left_out: list[str] = []
    if codes:
        usual = external_codes.usual_without_c1()
        chosen = Scoring(metrics, factors=factors).scores(default=usual)
        images = cache(lambda: load(dataset, data_dir))
        found = dict(external_codes.score_files(codes, images, chosen, seed, reference))
    else:
        chosen = Scoring(metrics, side, factors).scores()
        found, left_out = scores.all_again(runs or [], chosen, data_dir)
    console().print(scores.table(found))
    for said in (*scores.reasons(found), *(f"left out: {why}" for why in left_out)):
        print(said, file=sys.stderr)
    if json is not None:
        write_json(json, scores.as_json(found))
        print(f"wrote {json}", file=sys.stderr)
    raise typer.Exit(bool(left_out))
