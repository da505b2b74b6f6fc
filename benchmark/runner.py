"""One run, a method on a data set with a seed, to its scores; it does only what is missing."""

import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.evaluation import inception, pictures
from benchmark.evaluation.encode import decodes_codes, encode, reconstruct, rows_to_encode, traverse
from benchmark.evaluation.factor_classifier import oracle
from benchmark.evaluation.generate import generate, generates
from benchmark.evaluation.score import Subjects, replaced, scored
from benchmark.evaluation.tracking import NEVER, Track
from benchmark.registry import UserError
from benchmark.training import hardware, machine
from benchmark.training.batches import Dealer
from benchmark.training.loop import Begin, Damaged, Diverged, Stopped, Training, read, silent
from datasets import Dataset
from datasets.base import TABLE_ROWS
from methods.base import Method
from methods.posthoc import PostHoc
from results.arrays import Features
from results.atomic import written
from results.state import Wanted, lacking
from results.store import Codes, Folder, Generated

FIT_IMAGES = 10_000
POSTHOC_STEPS = 5_000
POSTHOC_TEST, POSTHOC_AT_ONCE = 4_096, 256
LAST_LINES = 20


@dataclass
class Bench:
    """Where runs happen: what they share in one process.

    Attributes:
        out: the folder of all run folders.
        device: where they train.
        stop: asked after every step whether to save and stop.
        track: the scores to take while methods train.
        verify: called with a run's name before its checkpoint, model or scores are written; raises
            if the run is no longer this process's.
    """

    out: Path
    device: torch.device
    stop: Callable[[], bool] = lambda: False
    track: Track = NEVER
    verify: Callable[[str], None] = lambda run: None


def wanted(scores: Iterable[Score]) -> Wanted:
    """Return the rows of these scores that a finished run has."""
    return Wanted(frozenset().union(*(score.signs for score in scores)), inception.awaited())


def missing(run: Run, out: Path, scores: Sequence[Score]) -> list[Score]:
    """Return the scores that the folder lacks a row of under today's protocol."""
    rows = lacking(run.folder(out).path, wanted(scores))
    return [score for score in scores if not score.signs.isdisjoint(rows)]


def execute(
    run: Run, dataset: Dataset, scores: Sequence[Score], bench: Bench, begin: Begin = silent
) -> Folder:
    """Bring the run to its end and return its folder; a failure is recorded there, not raised.

    Args:
        run: what is asked for.
        dataset: the run's data set, loaded.
        scores: those that it should have.
        bench: where it happens.
        begin: told each stage and its length; returns what is told the progress within.

    Raises:
        Stopped: `bench.stop` said so; the checkpoint is written.
        UserError: files that cannot be written, or a setting that the method refuses.
    """
    folder = run.folder(bench.out)
    todo = missing(run, bench.out, scores)
    if folder.scores is not None and not todo:
        return folder
    hardware.prepare()
    try:
        Execution(run, dataset, bench, folder, begin).complete(todo)
    except Diverged as error:
        folder.fail("diverged", str(error), error.step)
    except Damaged as error:
        folder.fail("failed", str(error))
    except (Stopped, UserError):
        raise
    except Exception as error:
        bench.verify(folder.name)
        folder.fail("failed", f"{type(error).__name__}: {error}", log=last_words())
    finally:
        hardware.release_memory()
    return folder


def last_words() -> str:
    """Return the end of the traceback of the exception that is being handled."""
    return "\n".join(traceback.format_exc().splitlines()[-LAST_LINES:])


class Execution:
    """The stages of a run, each of which leaves a file and is skipped when that is there.

    Each stage seeds torch's generator for itself, so that none depends on which others ran before.
    """

    def __init__(
        self, run: Run, dataset: Dataset, bench: Bench, folder: Folder, begin: Begin
    ) -> None:
        self.run, self.dataset, self.bench = run, dataset, bench
        self.folder, self.begin = folder, begin
        self.precision = hardware.precision(run.precision, bench.device)
        self.dealer = Dealer(dataset, bench.device, run.seed)
        self.table: int | None = None

    def complete(self, todo: Sequence[Score]) -> None:
        """Run every stage that is missing; add the scores in `todo`."""
        before = self.folder.scores or {"rows": [], "train": {}}
        sizes = {score.rows for score in todo if score.of_table}
        self.table = None if None in sizes else max(filter(None, sizes), default=TABLE_ROWS)
        if not before["rows"]:
            before["train"] = self.learn(encoded=bool(todo))
        elif sizes and self.folder.has(Codes):
            self.encode_more()
        if any(score.of_generator for score in todo) and not self.folder.has(Generated):
            self.generate()
        images = any(score.of_images for score in todo) and inception.weights()
        if images and not self.folder.has(Features):
            self.look()
        hardware.release_memory()
        subjects = Subjects(self.folder, self.dataset)
        rows = [row for one in todo for row in scored(one, subjects.of(one), self.run.seed)]
        self.verify()
        self.folder.finish({**before, "rows": replaced(before["rows"], rows)})

    def learn(self, encoded: bool) -> dict[str, float]:
        """Train and, if `encoded`, encode and traverse; return what the training took and gave."""
        method = self.build()
        self.folder.write_config(self.asked())
        self.folder.forget_failure()
        train = self.train(method, "train", self.run.steps)
        if not encoded:
            return train
        reader, error = self.reader(method)
        train |= error
        if reader.encodes and not self.has_rows(len(reader.informative)):
            self.encode(reader, method)
        self.seed("traverse")
        if method.decodes:
            self.folder.write(traverse(method, self.dealer, self.precision))
        self.seed("pictures")
        pictures.keep(self.folder, method, reader, self.dealer, self.precision)
        return train

    def reader(self, method: Method) -> tuple[Method, dict[str, float]]:
        """Return what infers codes, the method or its post-hoc encoder, and the latter's error."""
        if method.encodes or not method.decodes:
            return method, {}
        self.seed("build-posthoc")
        reader = self.placed(PostHoc(self.dataset.spec, method))
        return reader, self.fit_posthoc(reader)

    def has_rows(self, width: int) -> bool:
        """Return whether the codes of all rows that are to be scored are there."""
        wanted = rows_to_encode(self.dataset, width, self.table)
        return self.folder.has(Codes) and len(self.folder.read(Codes).rows) >= len(wanted)

    def encode_more(self) -> None:
        """Encode again if more rows are to be scored than a finished run has codes of."""
        if not self.has_rows(self.folder.read(Codes).codes.shape[1]):
            method = self.build()
            self.train(method, "train", self.run.steps)
            self.encode(self.reader(method)[0], method)

    def build(self) -> Method:
        """Return the method, initialised from the run's seed, on its device."""
        self.seed("build")
        return self.placed(self.run.cls(self.dataset.spec, **self.run.settings))

    def placed(self, method: Method) -> Method:
        """Return the method on its device, images in the layout that convolutions are fast in."""
        return method.to(self.bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def seed(self, stage: str) -> None:
        """Seed torch's generator for a stage."""
        torch.manual_seed(self.run.seed * 2**32 + zlib.crc32(stage.encode()))

    def train(self, method: Method, stage: str, steps: int) -> dict[str, float]:
        """Train, or load what was trained; return seconds, steps per second and last losses."""
        model = self.folder.model(stage)
        if model.exists():
            state = read(model, self.bench.device, "method", "train")
            method.load_state_dict(state["method"])
            return dict(state["train"])
        self.seed(stage)
        train = self.steps(method, stage, steps) if method.optimisers() else self.closed(method)
        method.zero_grad(set_to_none=True)
        hardware.release_memory()
        train["parameters"] = sum(p.numel() for p in method.parameters())
        self.verify()
        with written(model) as path:
            torch.save({"method": method.state_dict(), "train": train}, path)
        self.folder.checkpoint(stage).unlink(missing_ok=True)
        return train

    def verify(self) -> None:
        """Raise if another process has taken the run over."""
        self.bench.verify(self.folder.name)

    def closed(self, method: Method) -> dict[str, float]:
        """Fit a method that has no steps; one that has nothing to fit is given no images."""
        rng = np.random.default_rng(self.run.seed)
        start = time.perf_counter()
        if type(method).fit is not Method.fit:
            method.fit(self.dealer.batch(method, self.dataset.sample(FIT_IMAGES, rng)))
        return {"seconds": time.perf_counter() - start}

    def steps(self, method: Method, stage: str, steps: int) -> dict[str, float]:
        """Train by steps."""
        last: dict[str, float] = {}
        report = self.begin(stage, steps)

        def told(step: int, means: dict[str, float]) -> None:
            last.update(means)
            report(step, means)

        track = self.bench.track if stage == "train" and method.encodes else NEVER
        training = Training(
            method,
            lambda step: self.dealer.train(method, step),
            steps,
            self.precision,
            self.folder.checkpoint(stage),
            self.folder.log(stage),
            self.bench.stop,
            told,
            track.of(method, self.dealer, self.precision, self.run.seed, self.folder.tracked),
            track.every,
            self.verify,
        )
        training.run()
        rate = training.steps_per_second
        return {"seconds": training.seconds, "steps_per_second": rate, **last}

    def fit_posthoc(self, reader: Method) -> dict[str, float]:
        """Fit the post-hoc encoder; return its error: squared, per code, on fresh samples."""
        assert isinstance(reader, PostHoc)
        found = self.train(reader, "posthoc", min(self.run.steps, POSTHOC_STEPS))
        self.seed("posthoc-test")
        z = reader.sample(POSTHOC_TEST, self.bench.device)
        with torch.no_grad():
            # The images of all at once would take gigabytes.
            errors = [reader.eval().error(part).mean() for part in torch.split(z, POSTHOC_AT_ONCE)]
        error = float(torch.stack(errors).mean())
        return {"posthoc_error": error, "posthoc_seconds": found["seconds"]}

    def encode(self, reader: Method, method: Method) -> None:
        """Write the codes of the images that metrics need, and how well they are decoded."""
        self.seed("encode")
        codes = reader.informative
        rows = rows_to_encode(self.dataset, len(codes), self.table)
        report = self.begin("encode", len(rows))

        def told(done: int) -> None:
            report(done, {})
            if self.bench.stop():
                raise Stopped

        found, std = encode(reader, self.dealer, rows, self.precision, told)
        errors = None
        if decodes_codes(method):
            errors = reconstruct(reader, method, self.dealer, self.precision)
        names, kinds = [code.name for code in codes], [code.kind for code in codes]
        self.folder.write(Codes(found, rows, names, kinds, std, errors))

    def generate(self) -> None:
        """Write what the oracle reads in images of the prior's codes, if the method makes any."""
        method = self.build()
        if not generates(method, self.dataset):
            return
        self.train(method, "train", self.run.steps)
        stop = self.bench.stop
        judge = oracle(self.dataset, self.bench.device, stop, self.begin)
        self.seed("generate")
        made = generate(method.eval(), self.dealer, judge, self.precision, stop)
        self.folder.write(made)

    def look(self) -> None:
        """Write what Inception sees in images of the prior's codes, if the method makes any."""
        method = self.build()
        if not inception.shows(type(method)):
            return
        self.train(method, "train", self.run.steps)
        stop, images = self.bench.stop, len(inception.real_rows(self.dealer))
        inception.of_real(self.dealer, self.begin("real images", images), stop)
        self.seed("look")
        told = self.begin("generated images", images)
        made = inception.of_generated(method.eval(), self.dealer, self.precision, told, stop)
        self.folder.write(Features(made))

    def asked(self) -> dict[str, Any]:
        """Return the record of what was asked, of whom, and where."""
        return {
            **self.run.record(self.precision),
            "versions": machine.versions(),
            "machine": machine.describe(self.bench.device),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
