"""Scores what is there already: a run's codes, and what its generator made of its prior."""

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from benchmark.config import factors
from benchmark.config.score import Score
from benchmark.registry import METHODS, UserError
from datasets import Dataset, Spec, load
from datasets.base import TABLE_ROWS
from metrics.base import REASONS, Detailed, inapplicable, needs, score
from results import kept
from results.arrays import Features
from results.state import Wanted, lacking
from results.store import Codes, Folder, Generated, folders

Arrays = dict[str, NDArray[Any]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is scored: the codes of a data set's images, or the images of a prior's codes.

    Attributes:
        spec: of the data set.
        arrays: what metrics may need, by name: see `metrics.base`.
        codes: names of the codes.
        reason: why there is nothing to score.
        accuracy: where the factors are those that the factor classifier reads, how often it reads
            each rightly in real images.
        disjoint: whether predictors are fitted and scored on different rows of the table.
    """

    spec: Spec
    arrays: Arrays = field(default_factory=dict)
    codes: Sequence[str] = ()
    reason: str | None = None
    accuracy: Mapping[str, float] = field(default_factory=dict)
    disjoint: bool = False

    def of_factors(self, wanted: Score) -> tuple[Sequence[str], Arrays]:
        """Return the names of the factors that a score is of, and the arrays with these alone."""
        if wanted.of_all_factors or "factors" not in self.arrays:
            return self.spec.factor_names, self.arrays
        columns = factors.columns(self.spec, wanted.factors)
        tables = {"factors", "factors_real"} & self.arrays.keys()
        kept = {t: factors.seen(self.arrays[t], self.spec, wanted.factors) for t in tables}
        return [self.spec.factor_names[column] for column in columns], self.arrays | kept


def wanted(scores: Iterable[Score]) -> Wanted:
    """Return the rows of these scores that a finished run has."""
    from benchmark.evaluation import inception  # which imports torch

    signs = frozenset().union(*(score.signs for score in scores))
    files = {row: score.file for score in scores for row in score.row_names}
    return Wanted(signs, inception.awaited(), files)


def missing(folder: Folder, scores: Sequence[Score]) -> list[Score]:
    """Return the scores that a run's folder lacks a row of under today's protocol."""
    rows = lacking(folder.scores, wanted(scores))
    return [score for score in scores if not score.signs.isdisjoint(rows)]


def encoded(dataset: Dataset, found: Codes, rows: int | None = None) -> Subject:
    """Return the codes of images with the images' true factors.

    Args:
        dataset: the images.
        found: their codes.
        rows: how many rows of the fixed table are scored (`Dataset.table_rows`); None: all of
            `found`.
    """
    if rows is not None:
        lines = np.searchsorted(found.rows, dataset.table_rows(rows))
        std = None if found.std is None else found.std[lines]
        found = found._replace(codes=found.codes[lines], rows=found.rows[lines], std=std)
    arrays = _arrays(dataset.spec, found.codes, found.kinds, dataset.factors(found.rows))
    if len(dataset.test) < len(dataset):
        arrays["held_out"] = np.isin(found.rows, dataset.test)
    more = {"std": found.std, "squared_errors": found.squared_errors}
    arrays |= {name: array for name, array in more.items() if array is not None}
    return Subject(dataset.spec, arrays, found.names, disjoint=rows is not None)


def generated(dataset: Dataset, found: Generated) -> Subject:
    """Return codes of the prior with the factors that are read in their images."""
    spec = dataset.spec
    arrays = _arrays(spec, found.codes, found.kinds, found.factors)
    arrays["factors_real"] = dataset.factors(dataset.train)
    accuracy = dict(zip(spec.factor_names, found.accuracy.tolist(), strict=True))
    return Subject(spec, arrays, found.names, accuracy=accuracy)


def _arrays(
    spec: Spec, codes: NDArray[Any], kinds: Sequence[str], factors: NDArray[np.int64]
) -> Arrays:
    """Return what metrics may need; a table without a split is halved, the same way every time."""
    arrays: Arrays = {"codes": codes, "factors": factors}
    if spec.label_column is not None:
        arrays["label"] = factors[:, spec.label_column]
    arrays["categorical"] = np.array([kind == "categorical" for kind in kinds])
    if "categorical" in kinds:
        arrays["c1"] = codes[:, list(kinds).index("categorical")].astype(np.int64)
    arrays["held_out"] = np.random.default_rng(0).random(len(codes)) < 0.5
    return arrays


@dataclass
class Subjects:
    """What a run is scored by: its codes and its images, each read when it is first needed."""

    folder: Folder
    dataset: Dataset
    _encoder: dict[int | None, Subject] = field(default_factory=dict)

    def rows(self, scores: Sequence[Score], seed: int) -> list[Row]:
        """Return the rows of scores."""
        return [row for one in scores for row in scored(one, self.of(one), seed)]

    def of(self, wanted: Score) -> Subject:
        """Return what a score is taken of."""
        if wanted.of_images:
            return self._images
        if wanted.of_generator:
            return self._generator
        if self._codes is None:
            return Subject(self.dataset.spec)
        if wanted.rows not in self._encoder:
            self._encoder[wanted.rows] = encoded(self.dataset, self._codes, wanted.rows)
        return self._encoder[wanted.rows]

    @cached_property
    def _codes(self) -> Codes | None:
        return self.folder.get(Codes)

    @cached_property
    def _generator(self) -> Subject:
        spec = self.dataset.spec
        found = self.folder.get(Generated)
        if found is not None:
            return generated(self.dataset, found)
        reason = "needs images of the method's prior, and it makes none"
        if not spec.factor_names:
            reason = "needs an oracle of ground-truth factors, and the data set has none"
        return Subject(spec, reason=reason)

    @cached_property
    def _images(self) -> Subject:
        import torch

        from benchmark.evaluation import inception
        from benchmark.evaluation.generate import makes_images
        from benchmark.training.batches import Batches

        spec, reason = self.dataset.spec, None
        if not makes_images(METHODS[self.folder.config["run"]["method"]].value):
            reason = REASONS["features_generated"]
        elif inception.weights() is None:
            reason = inception.lacking()
        elif not self.folder.has(Features):
            reason = inception.UNCOMPUTED
        if reason is not None:
            return Subject(spec, reason=reason)
        real = inception.of_real(Batches(self.dataset, torch.device("cpu")))
        made = self.folder.read(Features).features
        return Subject(spec, {"features_real": real, "features_generated": made})


def scored(wanted: Score, subject: Subject, seed: int) -> list[Row]:
    """Return the rows of one score: values, or a reason why there are none."""
    entry, (names, arrays) = wanted.entry, subject.of_factors(wanted)
    start = time.perf_counter()
    values: list[float | None] = [None] * len(wanted.row_names)
    reason = subject.reason or inapplicable(entry, has=arrays, factors=len(names))
    images = 0 if reason else len(arrays[needs(entry.value)[0]])
    rng = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
    try:
        values = values if reason else list(score(entry, arrays, rng, subject.disjoint).values())
    except ValueError as error:
        reason = str(error)
    record = {"protocol": wanted.protocol, "images": images, "reason": reason}
    record["seconds"] = time.perf_counter() - start
    record["oracle"] = {name: share for name, share in subject.accuracy.items() if name in names}
    columns = {"factor": names, "code": subject.codes}
    return [
        {"metric": row, "value": value, **record, "details": _details(value, columns)}
        for row, value in zip(wanted.row_names, values, strict=True)
    ]


def _details(value: float | None, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return {"factor": {name: number}, "code": {...}} of a `Detailed` value."""
    details = value.details if isinstance(value, Detailed) else {}
    return {
        by: dict(zip(names[by], numbers.tolist(), strict=True)) for by, numbers in details.items()
    }


def again(folder: Folder, scores: Sequence[Score], data_dir: Path | None) -> list[Row]:
    """Score a finished run by what it stored, put the rows into its folder, and return them.

    Raises:
        UserError: the run is not done, or what it stored is not there or cannot be read.
    """
    if not folder.path.is_dir():
        raise UserError(f"there is no folder {folder.path}")
    before = folder.scores
    if before is None and folders(folder.path):
        raise UserError(f"{folder.path} is a folder of runs; name one of them")
    if before is None:
        raise UserError(f"{folder.path} is not a finished run; python -m benchmark run finishes it")
    kept.require(folder, *{one.file for one in scores})
    run, coded = folder.config["run"], folder.config["representation"] != "none"
    if coded and not folder.has(Codes):
        raise UserError(
            f"{folder.path} has lost its codes.h5; remove its scores.json, and the command that "
            "made the run encodes again"
        )
    if not folder.has(Generated) and any(one.of_generator for one in scores):
        raise UserError(
            f"{folder.path} has no images of its prior; the command that made the run makes them "
            "with --side generator, if the method can"
        )
    subjects = Subjects(folder, load(run["dataset"], data_dir))
    size = _stored_table(folder, before["rows"])
    rows = subjects.rows([one.of_rows(size) for one in scores], run["seed"])
    folder.finish({**before, "rows": replaced(before["rows"], rows)})
    return rows


def all_again(
    runs: Iterable[Path], scores: Sequence[Score], data_dir: Path | None
) -> tuple[dict[str, list[Row]], list[str]]:
    """Score finished runs; return the rows by the folder's name, and why others have none.

    Raises:
        UserError: none can be scored.
    """
    found, left_out = dict[str, list[Row]](), list[str]()
    for run in runs:
        try:
            found[run.name] = again(Folder(run), scores, data_dir)
        except UserError as error:
            left_out.append(str(error))
    if not found:
        raise UserError("; ".join(dict.fromkeys(left_out)))
    return found, left_out


def _stored_table(folder: Folder, scores: Sequence[Row]) -> int | None:
    """Return the size of the fixed table that a run was scored on, None if it stored all rows."""
    if not folder.has(Codes) or not any("/rows=" in row["protocol"] for row in scores):
        return None
    return TABLE_ROWS if len(folder.read(Codes).rows) <= TABLE_ROWS else None


def replaced(before: Sequence[Row], new: list[Row]) -> list[Row]:
    """Return the rows before, without those of the metrics that have a new one, and the new."""
    names = {row["metric"] for row in new}
    return [row for row in before if row["metric"] not in names] + new


def table(found: Mapping[str, list[Row]]) -> Table:
    """Return a table of metrics by lines; a dash where there is no value."""
    lines = Table("metric", *found, box=box.SIMPLE)
    for cells in zip(*found.values(), strict=True):
        shown = ["-" if row["value"] is None else f"{row['value']:.3f}" for row in cells]
        lines.add_row(cells[0]["metric"], *shown)
    return lines


def reasons(found: Mapping[str, list[Row]]) -> Iterator[str]:
    """Yield a line for each value that is not there."""
    for line, rows in found.items():
        yield from (f"{line}: {row['metric']}: {row['reason']}" for row in rows if row["reason"])


def as_json(found: Mapping[str, list[Row]]) -> dict[str, Any]:
    """Return {line: {metric: {value, protocol, seconds, images, reason, details, oracle}}}."""
    return {
        line: {row["metric"]: {k: v for k, v in row.items() if k != "metric"} for row in rows}
        for line, rows in found.items()
    }
