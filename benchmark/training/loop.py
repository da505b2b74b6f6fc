"""The loop, written once: it trains every method, and any step can be the last before a crash.

No step waits for the device: losses are summed there, and logged every `LOG_EVERY` steps only. On a
GPU, steps are captured as graphs. The batch is a function of the step, so model, optimisers,
torch's generator and the sums are all there is to save; a run that was killed and started again
ends with the same bits as one that was not.
"""

import csv
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmark.training.batches import Batches
from benchmark.training.captured import CapturedSteps
from benchmark.training.hardware import Precision, autocast
from methods.base import Batch, Method
from results.atomic import written
from results.files import Damaged

LOG_EVERY = 50
SAVE_SECONDS = 20.0

Report = Callable[[int, dict[str, float]], None]
Begin = Callable[[str, int], Report]


def silent(stage: str, steps: int) -> Report:
    """Report a stage to nobody."""
    return lambda step, means: None


class Diverged(Exception):
    """A loss was not finite."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"step {step}: {reason}")
        self.step = step


class Stopped(Exception):
    """The run is to stop; its checkpoint is written."""


@dataclass
class Tally:
    """Sums of what the steps report since the log's last row, on the device.

    Attributes:
        sums: of each value; a captured step adds to the same tensors at every replay.
        finite: how many steps were finite.
        steps: how many there were; the caller counts.
    """

    sums: dict[str, Tensor]
    finite: Tensor
    steps: int = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Add one step's values, and count it as finite: a sum stays infinite once it is."""
        for name, value in values.items():
            if name not in self.sums:
                self.sums[name] = torch.zeros_like(self.finite)
            self.sums[name] += value
        self.finite += torch.isfinite(torch.stack(list(self.sums.values()))).all()

    def means(self) -> tuple[dict[str, float], int]:
        """Return the means over the steps since the last call, and how many of these were finite.

        The one wait for the device.
        """
        names, n = list(self.sums), self.steps
        *values, finite = torch.stack([*self.sums.values(), self.finite]).tolist()
        for total in (*self.sums.values(), self.finite):
            total.zero_()
        self.steps = 0
        return {name: value / n for name, value in zip(names, values, strict=True)}, int(finite)


@dataclass
class Training:
    """One method being trained.

    Attributes:
        method: in training mode, on its device.
        batches: of a step each.
        steps: how many in all.
        checkpoint: where to save, and to continue from when it is there.
        log: the CSV of losses over steps.
        stop: called after every step but the last; True saves and raises `Stopped`.
        report: called with the step and the means at every row of the log.
        track: called after every step; the time that it takes does not count as training.
        verify: called before a checkpoint is written; raises if it must not be.
        capture: whether steps on a GPU are captured as graphs.
        seconds: that it trained, all sessions together.
        means: the last of each loss and of what the method logs.
    """

    method: Method
    batches: Batches
    steps: int
    checkpoint: Path
    log: Path
    stop: Callable[[], bool] = lambda: False
    report: Report = lambda step, means: None
    track: Callable[[int], None] = lambda step: None
    verify: Callable[[], None] = lambda: None
    capture: bool = True

    def __post_init__(self) -> None:
        self.device = next(self.method.parameters()).device
        self.optimisers = self.method.optimisers()
        self.tally = Tally({}, torch.zeros((), device=self.device))
        cuda = self.device.type == "cuda"
        self.captured = CapturedSteps(self.step, self.optimisers, self.device) if cuda else None
        self.seconds = 0.0
        self.means: dict[str, float] = {}

    def run(self) -> None:
        """Train to the last step.

        Raises:
            Diverged: a loss was not finite in a step since the last row of the log.
            Stopped: `stop` said so.
        """
        step = self.load()
        self.method.train()
        saved, before = time.monotonic(), self.seconds - time.monotonic()
        while step < self.steps:
            self.take(step)
            step += 1
            if step % LOG_EVERY == 0 or step == self.steps:
                self.log_means(step)
                self.seconds = before + time.monotonic()
            began = time.monotonic()
            self.track(step)
            before -= time.monotonic() - began
            if step == self.steps:
                return
            if self.stop():
                self.save(step)
                raise Stopped
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(step)
                saved = time.monotonic()

    def take(self, step: int) -> None:
        """Take one step."""
        batch = self.batches.draw(self.method, step)
        if self.captured and self.capture:
            self.captured.take(batch)
        else:
            self.step(batch.to(self.device))
        self.tally.steps += 1

    def step(self, drawn: Batch) -> None:
        """Take a step on a batch as it was drawn, on the device; add its losses to the tally."""
        batch = self.batches.unpacked(drawn)
        self.tally.add(advance(self.method, batch, self.optimisers, self.batches.precision))

    def log_means(self, step: int) -> None:
        """Log the means since the last row, and stop if one of them is not finite."""
        first = step - self.tally.steps
        means, finite = self.tally.means()
        self.means |= means
        write_row(self.log, step, means)
        self.report(step, means)
        bad = [f"{name} is {value}" for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise Diverged(first + finite + 1, ", ".join(bad))

    def save(self, step: int) -> None:
        """Write the checkpoint."""
        self.verify()
        state = {
            "step": step,
            "method": self.method.state_dict(),
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "random": torch.get_rng_state(),
            "sums": self.tally.sums,
            "finite": self.tally.finite,
            "summed": self.tally.steps,
            "seconds": self.seconds,
        }
        if self.device.type != "cpu":
            gpu = torch.get_device_module(self.device)
            state[f"random_{self.device.type}"] = gpu.get_rng_state(self.device)
        with written(self.checkpoint) as path:
            torch.save(state, path)

    def load(self) -> int:
        """Continue from the checkpoint if there is one; return the steps done."""
        if not self.checkpoint.exists():
            cut_log(self.log, 0)
            return 0
        state = read(self.checkpoint, torch.device("cpu"), "step", "method", "optimisers")
        cut_log(self.log, state["step"])
        self.method.load_state_dict(state["method"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.tally = Tally(sums, state["finite"].to(self.device), state["summed"])
        self.seconds = state["seconds"]
        torch.set_rng_state(state["random"])
        if self.device.type != "cpu":
            gpu = torch.get_device_module(self.device)
            gpu.set_rng_state(state[f"random_{self.device.type}"], self.device)
        return int(state["step"])


def read(path: Path, device: torch.device, *names: str) -> dict[str, Any]:
    """Return the dictionary that `torch.save` wrote to `path`.

    Raises:
        Damaged: it cannot be read, or lacks one of `names`.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return state | {name: state[name] for name in names}
    except Exception as error:  # unpickling raises anything
        raise Damaged(f"cannot read {path}; remove it to train from the start") from error


def advance(
    method: Method, batch: Batch, optimisers: dict[str, Optimizer], precision: Precision
) -> dict[str, Tensor]:
    """Take one step of the method; return its losses and what it logs, on the device.

    A loss is differentiated with respect to its own optimiser's parameters only: a generator's loss
    costs no gradients of the discriminator's weights.
    """
    values: dict[str, Tensor] = {}
    for name, loss in _in_autocast(method.losses(batch), batch.x.device, precision):
        optimiser = optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        own = [p for group in optimiser.param_groups for p in group["params"]]
        torch.autograd.backward(loss, inputs=own)
        optimiser.step()
        values[f"loss_{name}"] = loss.detach()
    return values | method.logs


def _in_autocast(
    losses: Iterator[tuple[str, Tensor]], device: torch.device, precision: Precision
) -> Iterator[tuple[str, Tensor]]:
    """Run every stretch of the generator in a context of its own: autocast caches cast weights."""
    while True:
        with autocast(device, precision):
            item = next(losses, None)
        if item is None:
            return
        yield item


def write_row(log: Path, step: int, values: dict[str, float]) -> None:
    """Append a row to the log; a value that is new, such as a late loss, gets a column."""
    row = {"step": str(step)} | {name: f"{value:.6g}" for name, value in values.items()}
    header: list[str] = []
    if log.exists():
        with log.open(newline="") as file:
            header = next(csv.reader(file), [])
    missing = [name for name in row if name not in header]
    if missing:
        header += missing
        _widen(log, header)
    with log.open("a", newline="") as file:
        csv.DictWriter(file, header, restval="", lineterminator="\n").writerow(row)


def _widen(log: Path, header: list[str]) -> None:
    """Give the log this longer header, and its rows nothing in the new columns."""
    rows = list(csv.reader(log.read_text().splitlines()))[1:] if log.exists() else []
    with written(log) as path, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(row + [""] * (len(header) - len(row)) for row in rows)


def cut_log(log: Path, step: int) -> None:
    """Drop the rows after `step`, which a killed run wrote after its last checkpoint."""
    if not log.exists():
        return
    header, *rows = log.read_text().splitlines() or [""]
    # A crash of the machine can tear the last row, even within the number of its step.
    complete = [row for row in rows if row.count(",") == header.count(",")]
    kept = [row for row in complete if int(row.split(",")[0]) <= step]
    if not kept:
        os.unlink(log)
        return
    with written(log) as path:
        path.write_text("\n".join([header, *kept]) + "\n")
