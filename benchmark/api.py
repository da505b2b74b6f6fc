"""The Python API, `import benchmark`: what a notebook uses. Torch is imported when it is needed."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmark.config import parse
from benchmark.config.parse import Names, Seeds
from benchmark.config.plan import Plan
from benchmark.config.score import Scoring
from benchmark.errors import UserError, unknown
from results.arrays import FILES
from results.frame import tidy
from results.kept import require
from results.store import Codes, Folder

if TYPE_CHECKING:
    from benchmark.evaluation.trained_method import Trained


@dataclass(frozen=True)
class Options(Plan, Scoring):
    """The options of `run`: those about runs and scores, where it trains, and what it keeps."""

    device: str = "auto"
    track: int | None = None
    keep: str = "weights"
    data_dir: str | Path | None = None


def run(
    methods: Names | None = None,
    datasets: Names | None = None,
    metrics: Names | None = None,
    seeds: Seeds | None = None,
    steps: int | None = None,
    study: str | None = None,
    out: str | Path = "runs",
    **options: Any,
) -> pd.DataFrame:
    """Train and score methods on data sets; what is done already is not done again.

    Args:
        methods, datasets, metrics: names, in a list or comma-separated, or `all`; dsprites, and the
            usual metrics, without them.
        seeds: a number, several, or text like `0-4`; 0 without.
        steps: of training; without, those of `budget`.
        study: the name of a study, or its file, instead of `methods`.
        out: the folder of run folders.
        options: `budget`, `settings` (by method and hyper-parameter, one value or a list),
            `precision`, `sees`, `reference`, `side`, `factors`, `rows`, `device`, `data_dir`,
            `track` and `keep`, as on the command line.

    Returns:
        one row per run and metric: dataset, method, settings, seed, metric, value, reason, ...

    Raises:
        UserError: a name or a value that cannot be.

    >>> import benchmark
    >>> frame = benchmark.run("vae,pca", "toy", "mig", steps=5, reference=False)
    >>> sorted(frame["method"])
    ['pca', 'vae']
    >>> settings = {"betavae": {"beta": [1, 4]}}
    >>> len(benchmark.run("betavae", "toy", "mig", [0, 1], 5, settings=settings, reference=False))
    4
    """
    from benchmark import comparison

    known = [field.name for field in fields(Options)]
    for name in options.keys() - {*known}:
        raise unknown("option", name, known)
    options |= {"methods": methods, "datasets": datasets, "metrics": metrics}
    given = Options(seeds=seeds, steps=steps, study=study, **options)
    requested = comparison.plan(given.parse(), given, given.device, given.track, given.keep)
    comparison.run(requested, Path(out), None if given.data_dir is None else Path(given.data_dir))
    rows = [row for score in requested.scores for row in score.row_names]
    frame = tidy(Path(out), {"metric": rows})
    return frame[frame["folder"].isin(requested.names(Path(out)))].reset_index(drop=True)


def table(
    out: str | Path = "runs",
    methods: str | None = None,
    datasets: str | None = None,
    metrics: str | None = None,
    seeds: str | None = None,
    sees: str | None = None,
    x: str | None = None,
) -> pd.DataFrame:
    """Return the table of the runs in a folder: mean, interval and test per method and metric.

    Args:
        out: the folder of run folders, or a file of stored runs.
        methods, datasets, metrics, seeds, sees: comma-separated; only these.
        x: seconds, flops or images: what training cost, as a metric more.

    Raises:
        UserError: there are no runs, or none with such a name.

    >>> import benchmark
    >>> frame = benchmark.run("pca", "toy", "mig", reference=False, out="some")
    >>> benchmark.table("some", metrics="mig")[["method", "metric", "n"]].values.tolist()
    [['pca', 'mig', 1]]
    """
    from results.output import chosen, directions
    from results.significance import compared
    from results.stored import opened
    from results.training_costs import COSTS, with_cost

    folder = opened(Path(out))
    frame = chosen(folder, methods, datasets, metrics, seeds, sees)
    if x is not None:
        frame = with_cost(frame, folder, parse.one_of("cost", x, [*COSTS]))
    return compared(frame, directions())


class LoadedRun:
    """A finished run, read from its folder.

    Attributes:
        folder: its files.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Folder(Path(folder))
        if self.folder.scores is None:
            raise UserError(f"{folder} is not the folder of a finished run")

    @property
    def config(self) -> dict[str, Any]:
        """The run, with which versions, on which machine: `run.json`."""
        return self.folder.config

    @property
    def scores(self) -> pd.DataFrame:
        """A row per score: metric, value, reason, protocol, seconds, images, ..."""
        return pd.DataFrame((self.folder.scores or {"rows": []})["rows"])

    @property
    def codes(self) -> Codes:
        """The codes (M, L) of images, and the rows (M,) of the data set that these are."""
        require(self.folder, FILES[Codes].name)
        return self.folder.read(Codes)

    def method(self, data_dir: str | Path | None = None) -> "Trained":
        """Return the trained method, with `encode` and `decode`.

        Args:
            data_dir: where you keep original files, should the shape of the images not be known.
        """
        from benchmark.evaluation.trained_method import Trained

        return Trained(self.folder, None if data_dir is None else Path(data_dir))


def load_run(folder: str | Path) -> LoadedRun:
    """Return a finished run.

    Raises:
        UserError: it is not there, or not finished.

    >>> import benchmark, datasets
    >>> frame = benchmark.run("vae", "toy", "mig", steps=5, reference=False)
    >>> run = benchmark.load_run("runs/" + frame["folder"][0])
    >>> run.config["run"]["method"], run.scores["metric"].tolist(), run.codes.codes.shape
    ('vae', ['mig'], (96, 10))
    >>> vae = run.method()
    >>> z = vae.encode(datasets.load("toy").images([0, 1, 2]))
    >>> z.shape, vae.decode(z).shape
    ((3, 10), (3, 1, 16, 16))
    """
    return LoadedRun(folder)


def score(
    codes: ArrayLike,
    factors: ArrayLike | None = None,
    dataset: str = "dsprites",
    metrics: Names | None = None,
    seed: int = 0,
    **more: ArrayLike,
) -> pd.DataFrame:
    """Score codes of any program.

    Args:
        codes: (N, L) numbers.
        factors: (N, K) integers, the true factors of the same rows.
        dataset: whose images the codes are of, where `factors` are not given.
        metrics: names, in a list or comma-separated, or `all`; the usual ones without.
        seed: of the metrics.
        more: `index` (N,), the images of the data set that the rows are of; `std` (N, L), the
            standard deviations of the codes' posteriors.

    Returns:
        a row per score: metric, value, reason, protocol, seconds, images, ...

    Raises:
        UserError: a name is not known, or the arrays do not fit each other or the data set.

    >>> import benchmark, numpy as np
    >>> factors = np.indices((4, 5)).reshape(2, -1).T.repeat(50, axis=0)
    >>> benchmark.score(2.0 * factors, factors, metrics="mig")["value"].round(2).tolist()
    [1.0]
    """
    from benchmark.evaluation import external_codes
    from datasets import load

    usual = external_codes.usual_without_c1()
    scores = Scoring(metrics).scores(default=usual)
    for name in {*more} - {"index", "std"}:
        raise unknown("array", name, ["index", "std"])
    given = {"codes": codes, "factors": factors, **more}
    arrays = {name: np.asarray(array) for name, array in given.items() if array is not None}
    images, found = external_codes.matched("codes", arrays, lambda: load(dataset))
    return pd.DataFrame(external_codes.rows_of(images, found, scores, seed))
