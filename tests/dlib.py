"""disentanglement_lib's own metrics beside ours, on the same codes and as many samples.

    uv run python -m tests.dlib --metrics "mig;sap" --tables rotated,runs/NAME

Its package of 2020 is put into a folder of its own, with what its metrics import; TensorFlow,
which they name and do not use, is not. They run unmodified, with the settings of its study.
"""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.registry import METRICS
from metrics.base import needs
from results.store import Codes, Folder
from tests.tables import DSPRITES, Array, grid, rng, rotation, standard

# The first gin that TensorFlow 1 went with is the last that knows the arguments they use.
PACKAGES = ("disentanglement-lib==1.5", "gin-config==0.4.0", "absl-py==2.5.1", "six==1.17.0")
Scores = dict[str, float]


class Theirs(NamedTuple):
    """A metric of theirs: module, function, file of settings, and the results we have as rows."""

    module: str
    function: str
    settings: str
    rows: Mapping[str, str]


def study(module: str, function: str, settings: str, **rows: str) -> Theirs:
    return Theirs(module, function, f"unsupervised_study_v1/metric_configs/{settings}.gin", rows)


THEIRS = {
    "betavae": study(
        "beta_vae", "compute_beta_vae_sklearn", "beta_vae_sklearn", betavae="eval_accuracy"
    ),
    "factorvae": study(
        "factor_vae", "compute_factor_vae", "factor_vae_metric", factorvae="eval_accuracy"
    ),
    "mig": study("mig", "compute_mig", "mig", mig="discrete_mig"),
    "sap": study("sap_score", "compute_sap", "sap_score", sap="SAP_score"),
    "modularity,explicitness": study(
        "modularity_explicitness",
        "compute_modularity_explicitness",
        "modularity_explicitness",
        modularity="modularity_score",
        explicitness="explicitness_score_test",
    ),
    "irs": Theirs("irs", "compute_irs", "sample/irs/irs.gin", {"irs": "IRS"}),
    "gaussian_tc,wasserstein,wasserstein_norm,mutual_information_codes": study(
        "unsupervised_metrics",
        "unsupervised_metrics",
        "unsupervised",
        gaussian_tc="gaussian_total_correlation",
        wasserstein="gaussian_wasserstein_correlation",
        wasserstein_norm="gaussian_wasserstein_correlation_norm",
        mutual_information_codes="mutual_info_score",
    ),
    "dci": study(
        "dci",
        "compute_dci",
        "dci",
        dci_disentanglement="disentanglement",
        dci_completeness="completeness",
        dci_informativeness="informativeness_test",
    ),
    "downstream": study(
        "downstream_task",
        "compute_downstream_task",
        "downstream_task_logistic_regression",
        **{f"downstream_{n}": f"{n}:mean_test_accuracy" for n in (10, 100, 1000, 10_000)},
    ),
}


class Images:
    """Their view of a table: an image is its row number.

    Args:
        factors: (M, K), a full grid in row-major order, of which rows are drawn as they do; with
            `in_order`, any table, whose rows are given one after another.
        in_order: give the rows in the order of the table.
    """

    def __init__(self, factors: Array, in_order: bool = False) -> None:
        self.factors, self.in_order = factors, in_order
        self.sizes = factors.max(axis=0) + 1
        self.num_factors = factors.shape[1]
        self.given = 0

    def sample_factors(self, num: int, random: Any) -> Array:
        return np.stack([random.randint(size, size=num) for size in self.sizes], axis=1)

    def sample_observations_from_factors(self, factors: Array, random: Any) -> Array:
        rows: Array = np.ravel_multi_index(tuple(factors.T), self.sizes)
        return rows

    def sample(self, num: int, random: Any) -> tuple[Array, Array]:
        if self.in_order:
            rows = (self.given + np.arange(num)) % len(self.factors)
            self.given += num
            return self.factors[rows], rows
        factors = self.sample_factors(num, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, num: int, random: Any) -> Array:
        return self.sample(num, random)[1]


def install(folder: Path) -> str | None:
    """Put their package into `folder`, from where it can be imported; return why not, or None."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        return "uv is not there to install disentanglement_lib with"
    words = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"disentanglement_lib cannot be had: {' '.join(done.stderr.split())[-200:]}"
    sys.path.append(str(folder))
    gin: Any = importlib.import_module("gin")
    # gin.tf is gin where there is TensorFlow.
    gin.tf = sys.modules["gin.tf"] = gin
    return None


def theirs(name: str, codes: Array, images: Images, seed: int, few: Sequence[str] = ()) -> Scores:
    """Return their scores by the names of our rows.

    Args:
        name: of `THEIRS`.
        codes: (M, L).
        images: of the same rows.
        seed: of their random state, and of numpy's, which their classifiers draw from.
        few: settings of gin instead of the study's: fewer samples.
    """
    gin, metric = importlib.import_module("gin"), THEIRS[name]
    module = importlib.import_module(f"disentanglement_lib.evaluation.metrics.{metric.module}")
    gin.clear_config()
    config = Path(str(module.__file__)).parents[2] / "config" / metric.settings
    gin.parse_config([config.read_text(), *few], skip_unknown=True)
    np.random.seed(seed)  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(module, metric.function)(
            images, lambda rows: codes[rows], np.random.RandomState(seed)
        )
    return {row: float(found[key]) for row, key in metric.rows.items() if key in found}


def ours(
    name: str, codes: Array, factors: Array, chance: np.random.Generator, **few: Any
) -> Scores:
    """Return our scores by the names of the rows; `few` are keywords instead of the study's."""
    sheet = {"codes": codes, "factors": factors, "rng": chance}
    scores: Scores = {}
    for one in name.split(","):
        metric = METRICS[one].value
        with threadpool_limits(1):
            found = metric(**{need: sheet[need] for need in needs(metric)}, **few)
        parts = found if isinstance(found, dict) else {"": found}
        scores |= {f"{one}_{part}".rstrip("_"): value for part, value in parts.items()}
    return scores


def tables() -> dict[str, Callable[[], Array]]:
    """Return codes (M, L) of all images of dSprites, by name."""
    factors = grid(*DSPRITES)
    noise = rng(1).standard_normal((len(factors), 10))
    dead = np.zeros((len(factors), 1))
    return {
        "truth": lambda: factors,
        "rotated": lambda: standard(factors) @ rotation(5) + noise[:, :5] / 10,
        "mixed": lambda: standard(factors) @ rng(2).standard_normal((5, 10)) + noise,
        "permuted": lambda: np.hstack([3 * standard(factors)[:, [4, 2, 0, 3, 1]] + noise[:, :5]]),
        "noisy": lambda: np.hstack([standard(factors) + noise[:, :5] / 2, noise[:, 5:9], dead]),
        "random": lambda: noise,
    }


def measured(codes: Array, name: str, seeds: int) -> Iterator[tuple[str, Array, Array]]:
    """Yield of every row of a metric our scores and theirs, (seeds,) each; NaN where it stops."""
    factors = grid(*DSPRITES)
    mine = [ours(name, codes, factors, rng(seed)) for seed in range(seeds)]
    other: list[Scores] = []
    for seed in range(seeds):
        try:
            other.append(theirs(name, codes, Images(factors), seed))
        except ValueError as error:
            print(f"{name}: disentanglement_lib stops: {error}".splitlines()[0], file=sys.stderr)
            other.append({})
    for row in THEIRS[name].rows:
        both = ([scores.get(row, np.nan) for scores in side] for side in (mine, other))
        a, b = (np.array(values) for values in both)
        yield row, a, b


def errors(a: Array, b: Array) -> float:
    """Return by how many standard errors of their difference two means differ."""
    error = float(np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b)))
    difference = abs(float(np.mean(a) - np.mean(b)))
    return 0.0 if difference < 1e-9 else difference / max(error, 1e-12)


def main() -> None:
    """Print a line of Markdown for each table and row: ours, theirs, and how far apart."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--metrics", default="all", help=f"some of: {';'.join(THEIRS)}")
    parser.add_argument("--tables", default="all", help="names, or folders of runs on dSprites")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    made = tables()
    names = list(THEIRS) if asked.metrics == "all" else asked.metrics.split(";")
    chosen = list(made) if asked.tables == "all" else asked.tables.split(",")
    with tempfile.TemporaryDirectory() as folder:
        if (reason := install(Path(folder))) is not None:
            sys.exit(reason)
        print("| codes | metric | ours | disentanglement_lib | standard errors apart |")
        print("|---|---|---|---|---|")
        for table in chosen:
            codes = made[table]() if table in made else Folder(Path(table)).read(Codes).codes
            for name in names:
                for row, a, b in measured(codes.astype(np.float32), name, asked.seeds):
                    cells = (f"{s.mean():.4f} ±{s.std(ddof=1) / len(s) ** 0.5:.4f}" for s in (a, b))
                    print(f"| {table} | {row} | {' | '.join(cells)} | {errors(a, b):.1f} |")


if __name__ == "__main__":
    main()
