"""Scores of a method while it trains, to be drawn over its steps: `tracked.csv`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmark.config.score import Score
from benchmark.evaluation.encode import encode
from benchmark.evaluation.score import encoded, scored
from benchmark.training.batches import Batches
from benchmark.training.loop import cut_log, write_row
from methods.base import Method

TRACKED_IMAGES = 10_000


@dataclass(frozen=True)
class Track:
    """Which scores are taken of a method while it trains, and how often.

    Attributes:
        every: so many steps; 0 for never.
        scores: of which those of codes are tracked.
    """

    every: int = 0
    scores: tuple[Score, ...] = ()

    def of(self, method: Method, batches: Batches, seed: int, log: Path) -> Callable[[int], None]:
        """Return what scores the method after every `every`-th step and writes to `log`.

        Its codes are those of `TRACKED_IMAGES` images, the same at every step and of every method.
        Training goes on as if it were not scored: with the same weights and the same noise.
        """
        scores = [one for one in self.scores if not (one.of_generator or one.of_images)]
        rows = batches.dataset.table_rows(TRACKED_IMAGES)
        kind = batches.device.type
        gpus = [] if kind == "cpu" else [batches.device]

        def track(step: int) -> None:
            if not self.every or step % self.every:
                return
            with torch.random.fork_rng(gpus, device_type=kind):
                codes = encode(method, batches, rows)
            method.train()
            subject = encoded(batches.dataset, codes)
            found = [row for one in scores for row in scored(one, subject, seed)]
            # A run that was killed after its last checkpoint comes by here again.
            cut_log(log, step - 1)
            values = {row["metric"]: row["value"] for row in found if row["value"] is not None}
            write_row(log, step, values)

        return track


NEVER = Track()
"""Scores are taken at the end alone."""
