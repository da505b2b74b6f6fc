"""What whole runs take on this device: training, encoding and scoring; and a study in all.

Nothing is trained to its end. The training steps of each method on each data set are timed, with
the settings of its first run; encoding on some images; each metric once, on codes of as many rows
as are scored: the factors in noise. Starting a process, loading data and drawing pictures are not
counted. Of a data set that is not on this machine, random images of its shape are used.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from time import perf_counter

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from benchmark import disk
from benchmark.config.grid import Grid
from benchmark.config.run import Run
from benchmark.config.score import Score, Scoring
from benchmark.config.study import Study
from benchmark.evaluation.encode import encode, rows_to_encode
from benchmark.evaluation.score import Subject, encoded
from benchmark.registry import DATASETS, UserError
from benchmark.runner import POSTHOC_STEPS
from benchmark.speed.timing import Rounds, alone, seconds, step_seconds, synchronise, warm_up
from benchmark.speed.training import facts, lacking, measurable, print_row
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.environment import describe
from benchmark.training.hardware import KEEP_FREED
from datasets import Dataset, Table, load
from datasets import Grid as FullGrid
from datasets.base import TABLE_ROWS
from datasets.inventory import state
from methods.base import Method
from methods.posthoc import PostHoc
from metrics.base import inapplicable, score
from results.store import Codes

ENCODED = 8_192
"""Images of which encoding is timed."""
TENTH = {"dci": {"train": 1_000, "test": 500}}
"""Metrics that take minutes: a tenth of their rows is measured, and taken ten times."""
STAGES = ("train", "encode", "score")


@dataclass(frozen=True)
class Cost:
    """What the runs of a method on a data set take.

    Attributes:
        method, dataset: names.
        runs: how many.
        steps: training steps of a run, the mean.
        rate: training steps per second.
        train: minutes a run.
        encode: minutes a run, those of fitting an encoder post hoc included.
        score: minutes a run.
        random_images: whether the data set is not on this machine.
    """

    method: str
    dataset: str
    runs: int
    steps: float
    rate: float
    train: float
    encode: float
    score: float
    random_images: bool

    @property
    def hours(self) -> dict[str, float]:
        """The hours that all its runs spend in each stage."""
        return {stage: self.runs * getattr(self, stage) / 60 for stage in STAGES}


@dataclass(frozen=True)
class Pace:
    """What a method takes on a data set.

    Attributes:
        step: seconds of a training step.
        posthoc: seconds of a step that fits an encoder post hoc; 0 for a method that infers codes.
        image: seconds of encoding an image; 0 where nothing infers codes.
        codes: how many it infers.
    """

    step: float
    posthoc: float
    image: float
    codes: int


def at_paper_budget(methods: str, dataset: str) -> Study:
    """Return one run of each method that can be measured, of as many steps as its paper has.

    Raises:
        UserError: a name is not known, or a method does not say its paper's steps.
    """
    spec = DATASETS[dataset].facts.get("spec") or images_of(dataset).spec
    return Study([Grid(measurable(methods, spec), [dataset], budget="paper")])


def measure_study(
    study: Study, rounds: Rounds, data_dir: Path | None, device: str, as_json: bool
) -> None:
    """Print what the runs of a study take: a row when it is measured, or JSON at the end.

    Raises:
        UserError: no such device, or there is no run of a method that is trained by steps.
    """
    costs = Costs(study, rounds, data_dir, hardware.device(device))
    about = describe(costs.device)
    found: list[Cost] = []
    if not as_json:
        print(f"{facts(about)}\nminutes of a run, and hours of all runs one after another")
        print_row("method", "runs", "steps", "steps/s", *STAGES, "hours")
    for one in costs.measured():
        if not as_json:
            _print(one, below=bool(found) and found[-1].dataset == one.dataset)
        found.append(one)
    runs = sum(one.runs for one in found)
    takes = disk.sizes(study.runs(), costs.scores, {})
    hours = {stage: sum(one.hours[stage] for one in found) for stage in STAGES}
    if as_json:
        listed = {"costs": [asdict(one) for one in found], "runs": runs, "hours": hours}
        listed |= {"bytes": disk.total(takes)._asdict()}
        sys.stdout.write(json.dumps({"machine": about} | listed, indent=1) + "\n")
    else:
        each = ", ".join(f"{stage} {number:,.1f}" for stage, number in hours.items())
        print(f"{runs:,} run{'s' * (runs != 1)}: {sum(hours.values()):,.1f} hours ({each})")
        print(disk.sentence(takes))


def _print(one: Cost, below: bool) -> None:
    """Print a row, under its data set's name unless the row before is of the same."""
    if not below:
        print(f"{one.dataset}{', not here: random images of its shape' * one.random_images}")
    minutes = (f"{getattr(one, stage):.2f}" for stage in STAGES)
    hours, rate = f"{sum(one.hours.values()):,.1f}", f"{one.rate:.1f}"
    print_row(f"  {one.method}", f"{one.runs:,}", f"{one.steps:,.0f}", rate, *minutes, hours)


@dataclass
class Costs:
    """Measures what the runs of a study take.

    Attributes:
        study: the runs, and the metrics that score them.
        rounds: how long each loop is measured.
        data_dir: where the user keeps original files.
        device: where methods train and encode.
    """

    study: Study
    rounds: Rounds
    data_dir: Path | None
    device: torch.device
    _scored: dict[tuple[tuple[int, ...], int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scores = Scoring().scores(self.study.quick, self.study.metrics)
        self.size = next((one.rows for one in self.scores if one.of_table), TABLE_ROWS)

    def measured(self) -> Iterator[Cost]:
        """Yield what the runs of each method on each data set take, as soon as it is measured.

        Raises:
            UserError: there is no run of a method that is trained by steps.
        """
        pairs: dict[tuple[str, str], list[Run]] = {}
        for one in self.study.runs():
            pairs.setdefault((one.dataset, one.method), []).append(one)
        datasets = {name: images_of(name, self.data_dir) for name, _ in pairs}
        lacks = {(name, of): lacking(of, datasets[name].spec) for name, of in pairs}
        left = [f"{of} on {name}" for (name, of), lack in lacks.items() if lack]
        if left:
            print(f"left out (not to be trained by steps): {', '.join(left)}", file=sys.stderr)
        if len(left) == len(pairs):
            raise UserError("there is no run of a method that is trained by steps")
        todo = [pair for pair, lack in lacks.items() if lack is None]
        for i, pair in enumerate(todo):
            print(f"{pair[1]} on {pair[0]}, {i + 1} of {len(todo)}", file=sys.stderr)
            yield self.of(pairs[pair], datasets[pair[0]])

    def of(self, runs: Sequence[Run], dataset: Dataset) -> Cost:
        """Return what these runs of one method on one data set take."""
        steps = fmean(one.steps for one in runs)
        pace = alone(pace_of, runs[0], self.data_dir, self.device, self.rounds)
        images = len(rows_to_encode(dataset, pace.codes, self.size)) if pace.image else 0
        encode = images * pace.image + min(steps, POSTHOC_STEPS) * pace.posthoc
        scored = self.scoring(dataset, pace.codes) if images else 0.0
        return Cost(
            runs[0].method,
            dataset.name,
            len(runs),
            steps,
            1 / pace.step,
            steps * pace.step / 60,
            encode / 60,
            scored / 60,
            not is_here(dataset.name, self.data_dir),
        )

    def scoring(self, dataset: Dataset, width: int) -> float:
        """Return the seconds of all scores; those of one data set are those of any like it."""
        rows = rows_to_encode(dataset, width, self.size)
        like = dataset.factor_sizes, len(rows), width
        if like not in self._scored:
            rng, names = np.random.default_rng(0), [f"z{i + 1}" for i in range(width)]
            codes = rng.standard_normal((len(rows), width), np.float32)
            known = dataset.factors(rows)[:, :width]
            codes[:, : known.shape[1]] += known
            std = np.ones_like(codes, np.float16)
            stored = Codes(codes, rows, names, ["normal"] * width, std)
            subject = encoded(dataset, stored, self.size)
            self._scored[like] = sum(metric_seconds(one, subject) for one in self.scores)
        return self._scored[like]


def pace_of(run: Run, data_dir: Path | None, device: torch.device, rounds: Rounds) -> Pace:
    """Return what a run's method takes on its data set, in a process that does nothing else."""
    hardware.prepare()
    dataset = images_of(run.dataset, data_dir)
    batches = Batches(dataset, device, hardware.precision(run.precision, device))
    torch.manual_seed(0)
    method = reader = hardware.placed(run.cls(dataset.spec, **run.settings), device)
    step, posthoc = step_seconds(method, batches, rounds), 0.0
    if not method.encodes and method.decodes:
        reader = hardware.placed(PostHoc(dataset.spec, method), device)
        posthoc = step_seconds(reader, batches, rounds)
    image = image_seconds(reader, batches, rounds) if reader.encodes else 0.0
    return Pace(step, posthoc, image, len(reader.informative))


def image_seconds(reader: Method, batches: Batches, rounds: Rounds) -> float:
    """Return the seconds of encoding an image."""
    rows, sync = batches.dataset.table_rows(ENCODED), synchronise(batches.device)
    warm_up(lambda _: encode(reader, batches, rows), KEEP_FREED, sync, 1)
    return seconds(lambda _: encode(reader, batches, rows), sync, rounds.seconds) / len(rows)


def metric_seconds(wanted: Score, subject: Subject) -> float:
    """Return the seconds of a score; 0 where it has no meaning."""
    (names, arrays), entry = subject.of_factors(wanted), wanted.entry
    if inapplicable(entry, has=arrays, factors=len(names)):
        return 0.0
    part = TENTH.get(entry.name, {})
    entry = replace(entry, value=partial(entry.value, **part))
    start = perf_counter()
    with suppress(ValueError):
        score(entry, arrays, np.random.default_rng(0), subject.disjoint)
    return (10 if part else 1) * (perf_counter() - start)


def is_here(name: str, folder: Path | None = None) -> bool:
    """Return whether a data set is on this machine, or is drawn."""
    return state(name, folder) != "-"


def images_of(name: str, folder: Path | None = None) -> Dataset:
    """Return a data set; random images of its shape where it is not on this machine."""
    return load(name, folder) if is_here(name, folder) else stand_in(name)


def stand_in(name: str) -> Dataset:
    """Return as many random images as a data set has, of its shape, with factors of its sizes.

    An image begins one byte after the one before, so that they take almost no memory.
    """
    spec, n = DATASETS[name].facts["spec"], DATASETS[name].facts["images"]
    rng = np.random.default_rng(0)
    data = rng.integers(256, size=n + spec.size - 1, dtype=np.uint8)
    packed = sliding_window_view(data, spec.size, writeable=True)
    if spec.grid:
        return FullGrid(spec, packed)
    factors = rng.integers(spec.factor_sizes, size=(n, len(spec.factor_sizes)))
    return Table(spec, packed, factors, np.arange(n), np.arange(n))
