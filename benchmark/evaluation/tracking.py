"""Scores of a method while it trains, to be drawn over its steps: `tracked.csv`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark.config.score import Score
from benchmark.evaluation.encode import encode
from benchmark.evaluation.score import encoded, scored, viewed
from benchmark.training.batches import Dealer
from benchmark.training.hardware import Precision
from benchmark.training.loop import cut_log, write_row
from methods.base import Method
from results.store import Codes

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

    def of(
        self, method: Method, dealer: Dealer, precision: Precision, seed: int, log: Path
    ) -> Callable[[int], None]:
        """Return what scores the method after a step and writes the values to `log`.

        Its codes are those of `TRACKED_IMAGES` images, the same at every step and of every method.
        Training goes on as if nobody had looked: with the same weights and the same noise.
        """
        if not self.every:
            return lambda step: None
        asked = [one for one in self.scores if not (one.of_generator or one.of_images)]
        dataset, codes = dealer.dataset, method.informative
        count = min(TRACKED_IMAGES, len(dataset))
        rows = np.sort(np.random.default_rng(0).choice(len(dataset), count, replace=False))
        names, kinds = [code.name for code in codes], [code.kind for code in codes]
        devices = [dealer.device] if dealer.device.type == "cuda" else []

        def watch(step: int) -> None:
            with torch.random.fork_rng(devices):
                found, std = encode(method, dealer, rows, precision)
            method.train()
            subject = encoded(dataset, Codes(found, rows, names, kinds, std))
            values = [
                row
                for one in asked
                for row in scored(one, viewed(subject, dataset.spec, one), seed)
            ]
            # A run that was killed after its last checkpoint comes by here again.
            cut_log(log, step - 1)
            write_row(
                log, step, {v["metric"]: v["value"] for v in values if v["value"] is not None}
            )

        return watch


NEVER = Track()
"""Scores are taken at the end alone."""
