"""What runs take on disk, by what stays in their folders: as finished ones do, or an estimate."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from rich import box
from rich.table import Table

from benchmark.comparison import Comparison
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation.encode import WIDE
from benchmark.evaluation.generate import GENERATED, makes_images
from benchmark.registry import DATASETS
from benchmark.training.loop import LOG_EVERY
from benchmark.training.time_left import SAMPLE, Kind, kind
from datasets.base import TABLE_ROWS
from methods.base import Method
from methods.posthoc import PostHoc
from results.kept import KEEPS, REMOVED, kept
from results.state import Wanted, state_of
from results.store import Folder, folders

COMPRESSED = 0.8
"""Of float32 codes' bytes, measured on dSprites; 0.4 where a network computes in bfloat16."""
PICTURES, RECORDS, LOG_LINE = 250_000, 8_000, 50
"""Bytes of what figures are drawn from, of a run's records, and of a line of its log."""
FEATURES = 10_000 * 2_048 * 4
"""Bytes of Inception's features."""
HOW = (
    f"estimates are rows x codes, at {COMPRESSED} of their bytes (0.4 where networks compute in "
    "bfloat16), with what the metrics need, parameters and logs"
)


class Size(NamedTuple):
    """Bytes of a run's folder by what stays there; the names are `KEEPS`."""

    scores: float
    codes: float
    weights: float


def measured(out: Path, wanted: Wanted) -> dict[Kind, Size]:
    """Return the mean size of finished runs that have these scores and all files.

    They are those in `out`, at most `SAMPLE` of a data set and method.
    """
    found: dict[Kind, list[Size]] = defaultdict(list)
    for folder in folders(out):
        several = found[kind(folder.name)]
        done = len(several) < SAMPLE and state_of(folder.path, wanted).state == "done"
        if done and kept(folder) == "weights":
            several.append(_size(folder))
    return {one: Size(*map(fmean, zip(*all_, strict=True))) for one, all_ in found.items() if all_}


def _size(folder: Folder) -> Size:
    def size(pattern: str) -> int:
        return sum(path.stat().st_size for path in folder.path.glob(pattern))

    return Size(*(size("*") - sum(map(size, REMOVED[keep])) for keep in KEEPS))


def estimated(run: Run, scores: Sequence[Score]) -> Size | None:
    """Return what a run takes as `HOW` says; None if the data set's size is not known."""
    facts = DATASETS[run.dataset].facts
    if not {"images", "spec"} <= facts.keys():
        return None
    spec = facts["spec"]
    method: Method = run.cls(spec, **run.settings)
    networks = [method] + [PostHoc(spec, method)] * (run.cls.representation() == "posthoc")
    tensors = (tensor for one in networks for tensor in one.state_dict().values())
    arrays = _arrays(method, facts["images"], len(spec.factor_names), scores)
    small = RECORDS + LOG_LINE * run.steps / LOG_EVERY
    return Size(small, small + arrays, small + arrays + sum(4 * one.numel() for one in tensors))


def _arrays(method: Method, images: int, factors: int, scores: Sequence[Score]) -> float:
    """Return the bytes of a run's arrays: codes, those of its generator, features, pictures."""
    width = len(method.informative)
    sizes = {score.rows for score in scores if score.of_table} or {TABLE_ROWS}
    all_rows = None in sizes and width <= WIDE
    rows = images if all_rows else min(images, max(size or TABLE_ROWS for size in sizes))
    codes = rows * width * (6 if method.has_posterior else 4)
    made = makes_images(type(method))
    if made and any(score.of_generator for score in scores):
        codes += GENERATED * (4 * width + 8 * factors)
    if made and any(score.of_images for score in scores):
        codes += FEATURES
    return COMPRESSED * codes + PICTURES


def _text(size: float) -> str:
    """Return bytes as text: "1.5 GB", or MB of less than one GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def sizes(
    runs: Sequence[Run], scores: Sequence[Score], known: Mapping[Kind, Size]
) -> dict[Kind, tuple[int, Size | None]]:
    """Return how many runs there are of a data set and method, and what each takes.

    That is what is known of finished ones, or `estimated`.
    """
    firsts = {(run.dataset, run.method): run for run in runs}
    number = Counter((run.dataset, run.method) for run in runs)
    return {
        which: (number[which], known.get(which) or estimated(firsts[which], scores))
        for which in sorted(number)
    }


def total(found: Mapping[Kind, tuple[int, Size | None]]) -> Size:
    """Return what all runs take together."""
    several = [[number * one for one in size] for number, size in found.values() if size]
    return Size(*map(sum, zip((0, 0, 0), *several, strict=True)))


def sentence(found: Mapping[Kind, tuple[int, Size | None]]) -> str:
    """Return in a line what all runs take together."""
    unknown = sum(number for number, size in found.values() if size is None)
    number = sum(number for number, _ in found.values()) - unknown
    sums = (f"{_text(one)} with --keep {k}" for k, one in zip(KEEPS, total(found), strict=True))
    lacking = f"; {unknown:,} runs are of data sets of unknown size" if unknown else ""
    return f"disk for all {number:,} run{'s' * (number != 1)}: about {', '.join(sums)}{lacking}"


def lines(planned: Comparison, out: Path) -> Iterator[str | Table]:
    """Yield what the runs of a comparison take: a table by data set and method, and the sum."""
    known = measured(out, planned.wanted)
    found = sizes(planned.runs, planned.scores, known)
    table = Table("data set", "method", "runs", *KEEPS, "MB a run", box=box.SIMPLE_HEAD)
    for which, (number, size) in found.items():
        how = "of finished runs" if which in known else "estimated"
        cells = [f"{one / 1e6:.2f}" for one in size or ()]
        if cells:
            table.add_row(*which, f"{number:,}", *cells, how)
    yield table
    yield sentence(found)
    yield HOW
