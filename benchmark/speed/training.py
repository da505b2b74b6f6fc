"""How fast the loop is, beside a plain eager float32 PyTorch loop of the same network.

Both train in one process, in turns, with subnormals flushed to zero, and the median of several
rounds is reported: a machine that drifts, drifts for both. The suite's loop has malloc keep freed
memory; the plain one has malloc as it adjusts itself to the largest tensor that a step frees. Each
method has a process of its own: what malloc keeps of another's would speed the plain loop up.
"""

import copy
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.optim import Optimizer

from benchmark.config.applicable import misfit
from benchmark.config.parse import names as named
from benchmark.registry import DATASETS, METHODS, UserError
from benchmark.speed.timing import (
    Rounds,
    alone,
    matmul_peak,
    seconds,
    suite_step,
    synchronise,
    warm_up,
)
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.environment import describe
from benchmark.training.hardware import KEEP_FREED
from benchmark.training.operations import Step, kernels, operations_of
from datasets import Spec, load
from methods.base import Batch, Method, defaults

LIMITS = {"cuda": "the sum of its kernels' times / the step's time"}
LIMIT = "the measured rate of matmuls"


@dataclass(frozen=True)
class Speed:
    """A method's speed.

    Attributes:
        method: its name.
        steps: training steps per second of the suite's loop, data included.
        plain: those of the plain loop, on one batch that it already has.
        ratio: the median over rounds of their ratio.
        kernels: of a step of the suite's loop on CUDA; elsewhere operations on the CPU.
        of_limit: fraction of a step in which kernels run on CUDA; elsewhere fraction of the
            measured matmul rate that the suite's loop spends usefully.
        data: fraction of its step that goes into the batch.
    """

    method: str
    steps: float
    plain: float
    ratio: float
    kernels: float
    of_limit: float
    data: float


def measure_all(
    methods: str,
    dataset: str,
    rounds: Rounds,
    data_dir: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure every method that trains by steps, and print each when it is measured, or JSON.

    Methods that are not trained by steps are left out, and those that the data set cannot serve.

    Raises:
        UserError: a method that is not known, or none that can be measured.
    """
    where = hardware.device(device)
    names = measurable(methods, DATASETS[dataset].facts.get("spec") or load(dataset, data_dir).spec)
    precision = hardware.precision("auto", where)
    peak = matmul_peak(where, precision, rounds.seconds)
    about = describe(where) | {"precision": precision, "matmul_gflops": float(f"{peak / 1e9:.3g}")}
    if not as_json:
        print(f"{dataset}: training steps per second; {facts(about)}")
        print(f"of limit: {LIMITS.get(where.type, LIMIT)}")
        count = "kernels" if where.type == "cuda" else "operations"
        print_row("method", "steps/s", "plain", "ratio", count, "of limit", "data")
    found = []
    for i, name in enumerate(names):
        print(f"{name}, {i + 1} of {len(names)}", file=sys.stderr)
        one = alone(measure, name, dataset, data_dir, where, peak, rounds)
        found.append(one)
        if not as_json:
            rates = f"{one.steps:.1f}", f"{one.plain:.1f}", f"{one.ratio:.2f}"
            shares = f"{one.of_limit:.1%}", f"{one.data:.1%}"
            print_row(name, *rates, f"{one.kernels:,.0f}", *shares)
    if as_json:
        record = {"machine": about, "speeds": [asdict(one) for one in found]}
        sys.stdout.write(json.dumps(record, indent=1) + "\n")


def facts(about: Mapping[str, str | float]) -> str:
    """Return what is known of a machine, as text."""
    return ", ".join(f"{name} {value}" for name, value in about.items())


def print_row(first: str, *others: str) -> None:
    """Print a line of a table of which each is printed as soon as it is known."""
    print(f"{first:<14}" + "".join(f"{cell:>12}" for cell in others), flush=True)


def measurable(methods: str, spec: Spec) -> list[str]:
    """Return those of the methods that are trained by steps, and that the data set can serve.

    Says which are left out.

    Raises:
        UserError: one is not known, or there is none; the line says what each lacks.
    """
    chosen = named(methods, "method", METHODS.names())
    lacks = {name: lacking(name, spec) for name in chosen}
    found = [name for name in chosen if lacks[name] is None]
    if not found:
        reasons = ", ".join(f"{name} {lack}" for name, lack in lacks.items())
        raise UserError(f"there is no speed to measure on {spec.name}: {reasons}")
    if left := [name for name in chosen if name not in found]:
        why = f"not trained by steps, or not to be trained on {spec.name}"
        print(f"left out ({why}): {', '.join(left)}", file=sys.stderr)
    return found


def lacking(method: str, spec: Spec) -> str | None:
    """Return why there is no speed to measure of a method on a data set, None where there is."""
    trained = METHODS[method].value.trains()
    return misfit(method, spec) if trained else "is not trained by steps"


def measure(
    name: str,
    dataset: str,
    data_dir: Path | None,
    device: torch.device,
    peak: float,
    rounds: Rounds,
) -> Speed:
    """Return one method's speed; elsewhere than on CUDA a part of the `peak` rate of matmuls."""
    hardware.prepare()
    batches = Batches(load(dataset, data_dir), device, hardware.precision("auto", device))
    torch.manual_seed(0)
    cls = METHODS[name].value
    model: Method = cls(batches.dataset.spec, **defaults(cls, dataset)).to(device).train()
    plain = plain_step(copy.deepcopy(model), batches.training_batch(model, 0))
    ours = hardware.placed(model, device)
    fast, operations = suite_step(ours, batches), operations_of(plain)

    def next_batch(i: int) -> Batch:
        return batches.training_batch(ours, i)

    sync, threshold = synchronise(device), operations.threshold
    loops: list[tuple[Step, tuple[int, int]]] = [
        (fast, KEEP_FREED),
        (plain, (threshold, 2 * threshold)),
        (next_batch, KEEP_FREED),
    ]
    for step, memory in loops[:2]:
        warm_up(step, memory, sync, rounds.warm)

    def timed(step: Step, memory: tuple[int, int]) -> float:
        warm_up(step, memory, sync)
        return seconds(step, sync, rounds.seconds)

    times = [[timed(*loop) for loop in loops] for _ in range(rounds.number)]
    a, b, data = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in times)
    number, busy = kernels(fast, device, sync)  # last: the profiler may slow what follows down
    limit = busy if device.type == "cuda" else operations.flops / peak
    return Speed(name, 1 / a, 1 / b, ratio, number, limit / a, data / a)


def plain_step(method: Method, batch: Batch) -> Step:
    """Return a step as a tutorial writes it: float32, PyTorch's default optimiser and layout."""
    optimisers = {name: _plain(o) for name, o in method.optimisers().items()}

    def step(_: int) -> None:
        for name, loss in method.losses(batch):
            optimisers[name].zero_grad()
            torch.autograd.backward(loss)
            optimisers[name].step()

    return step


def _plain(optimiser: Optimizer) -> Optimizer:
    group = {k: v for k, v in optimiser.param_groups[0].items() if k in ("lr", "betas", "eps")}
    return type(optimiser)(optimiser.param_groups[0]["params"], **group)
