"""Everything that is made of one stored study, to compare before and after a change of the code.

`python -m tests.golden OUT` writes it into the new folder OUT; `diff -r` compares two of them.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmark.cli.main import main
from tests.studies import ask, done, row, with_pictures

ODD = "<b>&#|*_[x]`$\\\"'~^{}% -- é β ±"
TABLES = ("table.md", "table.tex", "table.csv")
COMMANDS: dict[str, tuple[str, ...]] = {
    "table": ("table", *(word for name in (*TABLES, "table.parquet") for word in ("--to", name))),
    "published": ("table", "--published", "--to", "published.md", "--to", "published.csv"),
    "published-latex": ("table", "--published", "--to", "published.tex"),
    "narrow": ("table", "--methods", "betavae,infogan,random", "--seeds", "0-6"),
    "rows": ("table", "--json", "--rows", "rows.csv"),
    "trained": ("table", "--train", "--methods", "betavae,infogan"),
    "best": ("best", "--by", "mig", "--methods", "betavae,vae", "--to", "best.md"),
    "best-json": ("best", "--by", "mig", "--methods", "betavae,vae", "--json"),
    "unknown": ("table", "--metrics", "migg"),
    "figures": ("plot", "--to", "figures"),
    "report": ("report", "--to", "report.html"),
}
WIDTHS = {"narrow": "70"}


def study(out: Path) -> None:
    """Make runs of every state, of odd names, trained and scored in different ways."""
    rng = np.random.default_rng(0)
    for dataset, number in (("dsprites", 0.0), ("mnist", 0.1), ("shapes3d", 0.2)):
        for method, level, settings in _methods():
            for seed in range(8 if dataset == "dsprites" else 3):
                _trained(out, dataset, method, level + number, settings, seed, rng)
        for method, level in (("random", 0.02), ("truth", 0.97)):
            rows = [row("mig", level), row("sap", level / 2), row("fid", 900 * (1 - level))]
            done(out, method, 0, *rows, dataset=dataset, steps=0, sees="nothing", precision="-")
    _exceptions(out)


def _methods() -> Iterator[tuple[str, float, dict[str, Any]]]:
    yield from (("betavae", 0.2 + beta / 100, {"beta": beta}) for beta in (1.0, 4.0, 16.0))
    yield from (("vae", 0.19, {}), ("infogan", 0.21, {}), ("gan", 0.1, {}))


def _trained(
    out: Path,
    dataset: str,
    method: str,
    level: float,
    settings: dict[str, Any],
    seed: int,
    rng: np.random.Generator,
) -> None:
    mig, sap, fid, kl = rng.normal([level, level / 2, 100 - 90 * level, 9], [0.02, 0.02, 3, 1])
    rows = [row("mig", mig), row("sap", sap), row("fid", fid, protocol="2/rows=50000")]
    if method == "gan":
        rows[1] = row("sap", None, "needs codes, and the method has none", images=0)
    how: dict[str, Any] = {"dataset": dataset, "settings": settings, "defaults": {"beta": 4.0}}
    how |= {"codes": "posthoc"} if "gan" in method else {}
    folder = ask(out, method, seed, **how)
    made = {"versions": {"torch": "2.15.0"}, "machine": {"cpu": "one"}}
    folder.write_config(folder.config | made)
    curve = "".join(f"{step},{300 / step:.4f},{kl * step / 900:.4f}\n" for step in (1, 500, 1000))
    folder.log().write_text("step,loss,kl\n" + curve)
    if method == "vae":
        folder.tracked.write_text(f"step,mig\n500,{mig / 2:.4f}\n1000,{mig:.4f}\n")
    if seed == 0 and (dataset == "dsprites" or method == "vae"):
        with_pictures(folder, rng, ("x", "shape"))
    train = {"seconds": 10.0 + seed, "parameters": 12345, "kl": kl, "reconstruction": 50 + kl}
    folder.finish({"rows": rows, "train": train})


def _exceptions(out: Path) -> None:
    """Make runs that set a line apart, that are not done, and whose text is hard to escape."""
    apart: tuple[dict[str, Any], ...] = (
        *({"steps": 3000}, {"budget": "paper"}, {"precision": "bfloat16"}, {"version": 2}),
        *({"defaults": {"beta": 6.0}}, {"sees": "label"}, {"settings": {ODD: ODD}}),
    )
    for number, how in enumerate(apart):
        for seed in range(3):
            done(out, "vae", 20 + seed, row("mig", 0.1 + number / 50 + seed / 100), **how)
    for seed in range(4):
        done(out, "pca", seed, row("mig", 0.3, images=500), row("sap", 0.1, protocol="3"), steps=0)
    done(out, "ica", 0, row("mig", 0.15))
    done(out, "ica", 1, row("mig", None, ODD))
    done(out, "ica", 1, row(f"a_long_metric_{ODD}", 1234.5), dataset=ODD.replace("/", ""))
    ask(out, "gan", 9).fail("failed", f"out of memory: {ODD}")
    ask(out, "gan", 10).fail("failed", f"out of memory: {ODD}")
    ask(out, "cgan", 9, dataset="mnist").fail("diverged", "the loss of D is nan", 412)
    ask(out, "cgan", 8, dataset="mnist")
    (ask(out, "vae", 30).path / "run.json").write_text("{")


def write(to: Path, commands: tuple[str, ...] = (*COMMANDS,)) -> None:
    """Make the study in the new folder `to`, run these commands on it and keep what they say."""
    to.mkdir(parents=True)
    with chdir(to):
        study(Path("runs"))
        for name in commands:
            _keep(name)
        # It holds the times of the run folders' files.
        Path("runs/.index.parquet").unlink(missing_ok=True)


def _keep(name: str) -> None:
    words = ["benchmark", *COMMANDS[name], "--out", "runs"]
    columns = {"COLUMNS": WIDTHS.get(name, "130")}
    with (
        open(f"{name}.txt", "w", encoding="utf-8") as out,
        open(f"{name}.err", "w", encoding="utf-8") as err,
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", words),
        patch.dict(os.environ, columns),
    ):
        try:
            main()
        except SystemExit as end:
            print("exit", end.code, file=err)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
