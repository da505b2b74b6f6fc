"""One run, a method on a data set with a seed, to its scores; it does only what is missing."""

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.errors import UserError, traceback_end
from benchmark.evaluation import inception, pictures
from benchmark.evaluation.encode import decodes_codes, encode, reconstruct, rows_to_encode, traverse
from benchmark.evaluation.factor_classifier import trained_classifier
from benchmark.evaluation.generate import generate, makes_images, posthoc_error
from benchmark.evaluation.score import Subjects, missing, replaced
from benchmark.evaluation.tracking import NEVER, Track
from benchmark.training import cost, environment, hardware
from benchmark.training.batches import Batches
from benchmark.training.loop import Begin, Diverged, Stopped, Training, read, silent
from datasets import Dataset
from datasets.base import TABLE_ROWS
from methods.base import Method
from methods.posthoc import PostHoc
from results import kept
from results.arrays import Features
from results.atomic import written
from results.files import Damaged
from results.kept import Keep
from results.store import Codes, Folder, Generated

FIT_IMAGES, POSTHOC_STEPS = 10_000, 5_000


@dataclass
class Context:
    """What runs in one process share.

    Attributes:
        out: the folder of all run folders.
        device: where they train.
        stop: called after every step; returns whether to save and stop.
        track: the scores to take while methods train.
        verify: called with a run's name before its checkpoint, model or scores are written; raises
            if the run is no longer this process's.
        keep: what stays in a run's folder once it is scored.
    """

    out: Path
    device: torch.device
    stop: Callable[[], bool] = lambda: False
    track: Track = NEVER
    verify: Callable[[str], None] = lambda run: None
    keep: Keep = "weights"


def execute(
    run: Run, dataset: Dataset, scores: Sequence[Score], context: Context, begin: Begin = silent
) -> Folder:
    """Complete the run and return its folder; a failure is recorded there, not raised.

    Args:
        run, dataset: the run, and its data set, loaded.
        scores: those that it should have.
        context: what it shares with other runs of the process.
        begin: called with each stage and its length; returns what is called with the progress.

    Raises:
        Stopped: `context.stop` said so; the checkpoint is written.
        NotKept: a score needs what was not kept of a finished run: it is never trained again.
        UserError: files that cannot be written, or a setting that the method refuses.
    """
    folder = run.folder(context.out)
    todo = missing(folder, scores)
    if folder.scores is not None and not todo:
        folder.forget_failure()  # that of scores which are not wanted any more
        return folder
    kept.require(folder, *(score.file for score in todo))
    hardware.prepare()
    try:
        Execution(run, dataset, context, begin).complete(todo)
    except Diverged as error:
        folder.fail("diverged", str(error), error.step)
    except Damaged as error:
        folder.fail("failed", str(error))
    except (Stopped, UserError):
        raise
    except Exception as error:
        context.verify(folder.name)
        folder.fail("failed", f"{type(error).__name__}: {error}", log=traceback_end())
    finally:
        hardware.release_memory()
    return folder


class Execution:
    """The stages of a run: each leaves a file, is skipped if it is there, and seeds torch anew."""

    def __init__(self, run: Run, dataset: Dataset, context: Context, begin: Begin = silent) -> None:
        self.run, self.dataset, self.context, self.begin = run, dataset, context, begin
        self.folder = run.folder(context.out)
        precision = hardware.precision(run.precision, context.device)
        hardware.allow_tf32(precision == "tf32")
        self.batches = Batches(dataset, context.device, precision, run.seed)
        self.table: int | None = None
        self.seconds: dict[str, float] = {}

    def complete(self, todo: Sequence[Score]) -> None:
        """Run every stage that is missing; add the scores in `todo`."""
        record = self.folder.scores or {"rows": [], "train": {}}
        sizes = {score.rows for score in todo if score.of_table}
        self.table = None if None in sizes else max(filter(None, sizes), default=TABLE_ROWS)
        if not record["rows"]:
            record["train"] = self.learn(encoded=bool(todo))
        elif sizes and self.folder.has(Codes):
            self.encode_more()
        made = makes_images(self.run.cls)
        sides = made and self.dataset.factor_sizes and any(score.of_generator for score in todo)
        if sides and not self.folder.has(Generated):
            self.generate()
        images = made and any(score.of_images for score in todo) and inception.weights()
        if images and not self.folder.has(Features):
            self.compute_features()
        hardware.release_memory()
        rows = Subjects(self.folder, self.dataset).rows(todo, self.run.seed)
        self.verify()
        train = record["train"] | self.seconds
        record |= {"rows": replaced(record["rows"], rows), "train": train}
        kept.finish(self.folder, record, self.context.keep)

    def learn(self, encoded: bool) -> dict[str, float]:
        """Train and, if `encoded`, encode and traverse; return what the training took and gave."""
        # Before a file is written: a method may refuse a setting.
        train = cost.counted(self.build(), self.batches, self.run.steps)
        self.folder.write_config(self.record())
        self.folder.forget_failure()
        method = self.build()
        train |= self.train(method, "train", self.run.steps)
        if not encoded:
            return train
        reader, error = self.reader(method)
        train |= error
        if reader.encodes and not self.has_rows(len(reader.informative)):
            self.encode(reader, method)
        with cost.timed("pictures", self.seconds):
            self.seed("traverse")
            if method.decodes:
                self.folder.write(traverse(method, self.batches))
            self.seed("pictures")
            pictures.keep(self.folder, method, reader, self.batches)
        return train

    def record(self) -> dict[str, Any]:
        """Return what `run.json` holds: what is run, of which versions, and on which machine."""
        return {
            **self.run.record(self.batches.precision),
            "versions": environment.versions(),
            "machine": environment.describe(self.context.device),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def trained(self) -> Method:
        """Return the method, trained now or before."""
        method = self.build()
        self.train(method, "train", self.run.steps)
        return method

    def build(self) -> Method:
        """Return the method, initialised from the run's seed, on its device."""
        self.seed("build")
        method: Method = self.run.cls(self.dataset.spec, **self.run.settings)
        return hardware.placed(method, self.context.device)

    def seed(self, stage: str) -> None:
        """Seed torch's generator for a stage."""
        torch.manual_seed(self.run.seed * 2**32 + zlib.crc32(stage.encode()))

    def verify(self) -> None:
        """Raise if another process has taken the run over."""
        self.context.verify(self.folder.name)

    def progress(self, stage: str, length: int) -> Callable[[int], None]:
        """Return what is called with the progress of a stage; it raises `Stopped`."""
        report = self.begin(stage, length)

        def reach(done: int) -> None:
            report(done, {})
            self.check_stop()

        return reach

    def check_stop(self, done: int = 0) -> None:
        """Raise `Stopped` if the run is to stop."""
        if self.context.stop():
            raise Stopped

    def train(self, method: Method, stage: str, steps: int) -> dict[str, float]:
        """Train, or load what was trained; return seconds, steps per second and last losses."""
        model = self.folder.model(stage)
        if model.exists():
            state = read(model, self.context.device, "method", "train")
            method.load_state_dict(state["method"])
            return dict(state["train"])
        kept.require(self.folder, model.name)
        self.seed(stage)
        train = self.by_steps(method, stage, steps) if method.optimisers() else self.fit(method)
        method.zero_grad(set_to_none=True)
        hardware.release_memory()
        train["parameters"] = sum(p.numel() for p in method.parameters())
        self.verify()
        with written(model) as path:
            torch.save({"method": method.state_dict(), "train": train}, path)
        self.folder.checkpoint(stage).unlink(missing_ok=True)
        return train

    def by_steps(self, method: Method, stage: str, steps: int) -> dict[str, float]:
        """Train by steps."""
        track = self.context.track if stage == "train" and method.encodes else NEVER
        training = Training(
            method,
            self.batches,
            steps,
            self.folder.checkpoint(stage),
            self.folder.log(stage),
            self.context.stop,
            self.begin(stage, steps),
            track.of(method, self.batches, self.run.seed, self.folder.tracked),
            self.verify,
        )
        training.run()
        if reason := training.captured and training.captured.reason:
            print(f"warning: {self.run.method} trained step by step: {reason}", file=sys.stderr)
        rate = steps / training.seconds if training.seconds else 0.0
        return {"seconds": training.seconds, "steps_per_second": rate, **training.means}

    def fit(self, method: Method) -> dict[str, float]:
        """Fit a method that has no steps; one that has nothing to fit is given no images."""
        rng = np.random.default_rng(self.run.seed)
        start = time.perf_counter()
        if type(method).fit is not Method.fit:
            method.fit(self.batches.batch(method, self.dataset.sample(FIT_IMAGES, rng)))
        return {"seconds": time.perf_counter() - start}

    def reader(self, method: Method) -> tuple[Method, dict[str, float]]:
        """Return what infers codes, the method or its post-hoc encoder, and the latter's error."""
        if method.encodes or not method.decodes:
            return method, {}
        self.seed("build-posthoc")
        reader = hardware.placed(PostHoc(self.dataset.spec, method), self.context.device)
        train = self.train(reader, "posthoc", min(self.run.steps, POSTHOC_STEPS))
        self.seed("posthoc-test")
        error = posthoc_error(reader, self.context.device)
        return reader, {"posthoc_error": error, "posthoc_seconds": train["seconds"]}

    def has_rows(self, width: int) -> bool:
        """Return whether the codes of all rows that are to be scored are there."""
        rows = rows_to_encode(self.dataset, width, self.table)
        return self.folder.has(Codes) and len(self.folder.read(Codes).rows) >= len(rows)

    def encode(self, reader: Method, method: Method) -> None:
        """Write the codes of the images that metrics need, and how well they are decoded."""
        self.seed("encode")
        rows = rows_to_encode(self.dataset, len(reader.informative), self.table)
        with cost.timed("encode", self.seconds):
            codes = encode(reader, self.batches, rows, self.progress("encode", len(rows)))
            if decodes_codes(method):
                codes = codes._replace(squared_errors=reconstruct(reader, method, self.batches))
        self.folder.write(codes)

    def encode_more(self) -> None:
        """Encode again if more rows are to be scored than a finished run has codes of."""
        if not self.has_rows(self.folder.read(Codes).codes.shape[1]):
            method = self.trained()
            self.encode(self.reader(method)[0], method)

    def generate(self) -> None:
        """Write what is read in images of the prior's codes."""
        method, context = self.trained(), self.context
        classifier = trained_classifier(self.dataset, context.device, context.stop, self.begin)
        self.seed("generate")
        with cost.timed("generate", self.seconds):
            found = generate(method.eval(), self.batches, classifier, self.check_stop)
        self.folder.write(found)

    def compute_features(self) -> None:
        """Write Inception's features of images of the prior's codes."""
        method = self.trained()
        images = len(inception.real_rows(self.dataset))
        inception.of_real(self.batches, self.progress("real images", images))
        self.seed("look")  # the name of stored runs: their draws depend on it
        report = self.progress("generated images", images)
        with cost.timed("features", self.seconds):
            found = inception.of_generated(method.eval(), self.batches, report)
        self.folder.write(Features(found))
