"""Scores what is there already: a run's codes, and what its generator made of its prior."""

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from results.arrays import Features
from results.store import Codes, Folder, Generated, folders

Sheet = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Subject:
    """What is scored: the codes of a data set's images, or the images of a prior's codes.

    Attributes:
        sheet: what metrics may need, by name: see `metrics.base`.
        names: of the columns, by "factor" and by "code".
        reason: why there is nothing to score.
        oracle: where the factors are those that the oracle reads, how often it reads each rightly
            in real images.
        disjoint: whether predictors are fitted and scored on different rows of the table.
    """

    sheet: Sheet
    names: Mapping[str, Sequence[str]]
    reason: str | None = None
    oracle: Mapping[str, float] = field(default_factory=dict)
    disjoint: bool = False


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
    given = _sheet(dataset, found.codes, found.kinds, dataset.factors(found.rows))
    if len(dataset.test) < len(dataset):
        given["held_out"] = np.isin(found.rows, dataset.test)
    more = {"std": found.std, "squared_errors": found.squared_errors}
    given |= {name: array for name, array in more.items() if array is not None}
    names = {"factor": dataset.factor_names, "code": found.names}
    return Subject(given, names, disjoint=rows is not None)


def generated(dataset: Dataset, found: Generated) -> Subject:
    """Return codes of the prior with the factors that the oracle reads in their images."""
    return Subject(
        _sheet(dataset, found.codes, found.kinds, found.factors),
        {"factor": dataset.factor_names, "code": found.names},
        oracle=dict(zip(dataset.factor_names, found.accuracy.tolist(), strict=True)),
    )


def _sheet(
    dataset: Dataset, codes: NDArray[Any], kinds: Sequence[str], factors: NDArray[np.int64]
) -> Sheet:
    """Return the sheet of a table; a table without a split is halved, the same way every time."""
    given: Sheet = {"codes": codes, "factors": factors}
    if dataset.spec.label_column is not None:
        given["label"] = factors[:, dataset.spec.label_column]
    if "categorical" in kinds:
        given["c1"] = codes[:, list(kinds).index("categorical")].astype(np.int64)
    given["held_out"] = np.random.default_rng(0).random(len(codes)) < 0.5
    return given


@dataclass
class Subjects:
    """A run's two sides, each read when it is first asked for."""

    folder: Folder
    dataset: Dataset
    _encoders: dict[int | None, Subject] = field(default_factory=dict)

    def of(self, wanted: Score) -> Subject:
        """Return what a score is taken of."""
        if wanted.of_images:
            return self._images
        if wanted.of_generator:
            return viewed(self._generator, self.dataset.spec, wanted)
        if wanted.rows not in self._encoders:
            self._encoders[wanted.rows] = self._encoder(wanted.rows)
        return viewed(self._encoders[wanted.rows], self.dataset.spec, wanted)

    def _encoder(self, rows: int | None) -> Subject:
        if self._codes is None:
            return Subject({}, {"factor": self.dataset.factor_names})
        return encoded(self.dataset, self._codes, rows)

    @cached_property
    def _codes(self) -> Codes | None:
        return self.folder.get(Codes)

    @cached_property
    def _generator(self) -> Subject:
        found = self.folder.get(Generated)
        if found is not None:
            return generated(self.dataset, found)
        reason = "needs images of the method's prior, and it makes none"
        if not self.dataset.factor_names:
            reason = "needs an oracle of ground-truth factors, and the data set has none"
        return Subject({}, {"factor": self.dataset.factor_names}, reason)

    @cached_property
    def _images(self) -> Subject:
        import torch

        from benchmark.evaluation import inception
        from benchmark.training.batches import Dealer

        names = {"factor": self.dataset.factor_names}
        method = METHODS[self.folder.config["run"]["method"]].value
        if not inception.shows(method):
            return Subject({}, names, REASONS["features_generated"])
        if inception.weights() is None:
            return Subject({}, names, inception.lacking())
        if not self.folder.has(Features):
            return Subject({}, names, inception.UNSEEN)
        real = inception.of_real(Dealer(self.dataset, torch.device("cpu")))
        made = self.folder.read(Features).features
        return Subject({"features_real": real, "features_generated": made}, names)


def viewed(subject: Subject, spec: Spec, wanted: Score) -> Subject:
    """Return a subject with the factors alone that a score is of: see `config.factors`."""
    if wanted.of_all_factors or "factors" not in subject.sheet:
        return subject
    kept = [spec.factor_names[column] for column in factors.columns(spec, wanted.factors)]
    found = factors.seen(subject.sheet["factors"], spec, wanted.factors)
    sheet = subject.sheet | {"factors": found}
    oracle = {name: value for name, value in subject.oracle.items() if name in kept}
    return replace(subject, sheet=sheet, names={**subject.names, "factor": kept}, oracle=oracle)


def scored(wanted: Score, subject: Subject, seed: int) -> list[dict[str, Any]]:
    """Return the rows of one score: values, or a reason why there are none."""
    entry, given = wanted.entry, subject.sheet
    start = time.perf_counter()
    values: list[float | None] = [None] * len(wanted.row_names)
    count = len(subject.names["factor"])
    reason = subject.reason or inapplicable(entry, has=given, factors=count)
    images = 0 if reason else len(given[needs(entry.value)[0]])
    rng = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
    try:
        values = values if reason else list(score(entry, given, rng, subject.disjoint).values())
    except ValueError as error:
        reason = str(error)
    told = {"protocol": wanted.protocol, "images": images, "reason": reason}
    told |= {"seconds": time.perf_counter() - start, "oracle": dict(subject.oracle)}
    return [
        {"metric": row, "value": value, **told, "details": _details(value, subject.names)}
        for row, value in zip(wanted.row_names, values, strict=True)
    ]


def _details(value: float | None, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return {"factor": {name: number}, "code": {...}} of a `Detailed` value."""
    details = value.details if isinstance(value, Detailed) else {}
    return {
        by: dict(zip(names[by], numbers.tolist(), strict=True)) for by, numbers in details.items()
    }


def again(folder: Folder, scores: Sequence[Score], data_dir: Path | None) -> list[dict[str, Any]]:
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
    subjects, size = Subjects(folder, load(run["dataset"], data_dir)), _stored_table(folder)
    scores = [one.of_rows(size) for one in scores]
    rows = [row for one in scores for row in scored(one, subjects.of(one), run["seed"])]
    folder.finish({**before, "rows": replaced(before["rows"], rows)})
    return rows


def _stored_table(folder: Folder) -> int | None:
    """Return the size of the fixed table that a run was scored on, None if it stored all rows."""
    scored_rows = (folder.scores or {"rows": []})["rows"]
    if not folder.has(Codes) or not any("/rows=" in row["protocol"] for row in scored_rows):
        return None
    return TABLE_ROWS if len(folder.read(Codes).rows) <= TABLE_ROWS else None


def replaced(before: Sequence[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows before, without those of the metrics that have a new one, and the new."""
    names = {row["metric"] for row in new}
    return [row for row in before if row["metric"] not in names] + new


def table(found: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Return a table of metrics by lines; a dash where there is no value."""
    lines = Table("metric", *found, box=box.SIMPLE)
    for cells in zip(*found.values(), strict=True):
        shown = ["-" if row["value"] is None else f"{row['value']:.3f}" for row in cells]
        lines.add_row(cells[0]["metric"], *shown)
    return lines


def reasons(found: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a line for each value that is not there."""
    for line, rows in found.items():
        yield from (f"{line}: {row['metric']}: {row['reason']}" for row in rows if row["reason"])


def as_json(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return {line: {metric: {value, protocol, seconds, images, reason, details, oracle}}}."""
    return {
        line: {row["metric"]: {k: v for k, v in row.items() if k != "metric"} for row in rows}
        for line, rows in found.items()
    }
