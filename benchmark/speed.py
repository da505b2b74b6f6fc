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
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmark.config.applicable import misfit
from benchmark.config.parse import names as named
from benchmark.registry import DATASETS, METHODS, UserError
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.environment import describe
from benchmark.training.hardware import KEEP_FREED, Precision
from benchmark.training.loop import advance
from datasets import Spec, load
from methods.base import Batch, Method, defaults

MATRIX = 2048

Step = Callable[[int], object]


@dataclass(frozen=True)
class Rounds:
    """How long a loop is measured.

    Attributes:
        number: of rounds; the median is reported.
        warm: steps before the first.
        seconds: of each round.
    """

    number: int
    warm: int
    seconds: float = 1.0


@dataclass(frozen=True)
class Speed:
    """A method's speed.

    Attributes:
        method: its name.
        steps: training steps per second of the suite's loop, data included.
        plain: those of the plain loop, on one batch that it already has.
        ratio: the median over rounds of their ratio.
        of_peak: fraction of the measured matmul rate that the suite's loop spends usefully.
        data: fraction of its step that goes into the batch.
    """

    method: str
    steps: float
    plain: float
    ratio: float
    of_peak: float
    data: float


def measure_all(
    methods: str,
    dataset: str,
    rounds: Rounds,
    data_dir: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure every method that trains by steps, and print the table or JSON.

    Methods that are not trained by steps are left out, and those that the data set cannot serve.

    Raises:
        UserError: a method that is not known, or none that can be measured.
    """
    where = hardware.device(device)
    chosen = named(methods, "method", METHODS.names())
    names = measurable(chosen, DATASETS[dataset].facts.get("spec") or load(dataset, data_dir).spec)
    if left := [name for name in chosen if name not in names]:
        why = f"not trained by steps, or not to be trained on {dataset}"
        print(f"left out ({why}): {', '.join(left)}", file=sys.stderr)
    precision = hardware.precision("auto", where)
    peak = matmul_peak(where, precision, rounds.seconds)
    found = []
    for i, name in enumerate(names):
        print(f"{name}, {i + 1} of {len(names)}", file=sys.stderr)
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            task = alone.submit(measure, name, dataset, data_dir, where, peak, rounds)
            found.append(task.result())
    about = describe(where) | {"precision": precision, "matmul_gflops": float(f"{peak / 1e9:.3g}")}
    if as_json:
        record = {"machine": about, "speeds": [asdict(one) for one in found]}
        sys.stdout.write(json.dumps(record, indent=1) + "\n")
    else:
        _print(found, about, dataset)


def measurable(names: Sequence[str], spec: Spec) -> list[str]:
    """Return those of the methods that are trained by steps, and that the data set can serve.

    Raises:
        UserError: there is none; the line says what each lacks.
    """
    lacks = {name: misfit(name, spec) for name in names}
    lacks |= {name: "is not trained by steps" for name in names if not METHODS[name].value.trains()}
    found = [name for name in names if lacks[name] is None]
    if not found:
        reasons = ", ".join(f"{name} {lack}" for name, lack in lacks.items())
        raise UserError(f"there is no speed to measure on {spec.name}: {reasons}")
    return found


def measure(
    name: str,
    dataset: str,
    data_dir: Path | None,
    device: torch.device,
    peak: float,
    rounds: Rounds,
) -> Speed:
    """Return one method's speed, a part of the `peak` rate of matmuls."""
    hardware.prepare()
    batches = Batches(load(dataset, data_dir), device, hardware.precision("auto", device))
    torch.manual_seed(0)
    cls = METHODS[name].value
    model: Method = cls(batches.dataset.spec, **defaults(cls, dataset)).to(device).train()
    plain = plain_step(copy.deepcopy(model), batches.training_batch(model, 0))
    ours = hardware.placed(model, device)
    optimisers = ours.optimisers()
    operations = operations_of(plain)

    def next_batch(i: int) -> Batch:
        return batches.training_batch(ours, i)

    def fast(i: int) -> object:
        return advance(ours, next_batch(i), optimisers, batches.precision)

    sync, threshold = _sync(device), operations.threshold
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
    return Speed(name, 1 / a, 1 / b, ratio, operations.flops / a / peak, data / a)


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


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of a step.

    Attributes:
        flops: of all products of matrices and convolutions, by PyTorch's own formulas. Its counter
            that uses them gives up on gradients of gradients.
        bytes: of the largest tensor that an operation made.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: int = 0
        self.bytes: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        made = (t.nbytes for t in tree_leaves(out) if isinstance(t, torch.Tensor))
        self.bytes = max(self.bytes, *made, 0)
        return out

    @property
    def threshold(self) -> int:
        """The bytes from which glibc would map blocks, once it has seen the step's freed.

        Its threshold follows the largest mapped block that was freed, a page of bookkeeping
        included, up to 32 MiB, and the trim threshold is twice that: mallopt(3).
        """
        return min(self.bytes + 2**13, KEEP_FREED[0])


def operations_of(step: Step) -> Operations:
    """Take the step, and return its operations."""
    operations = Operations()
    with operations:
        step(0)
    return operations


def warm_up(step: Step, memory: tuple[int, int], sync: Callable[[], None], steps: int = 2) -> None:
    """Take some steps with malloc's thresholds at `memory`."""
    hardware.set_malloc_thresholds(*memory)
    for i in range(steps):
        step(i)
    sync()


def seconds(step: Step, sync: Callable[[], None], long: float) -> float:
    """Return the mean seconds of a step over about `long` seconds."""
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < long:
        step(n)
        n += 1
    sync()
    return (time.perf_counter() - start) / n


def matmul_peak(device: torch.device, precision: Precision, long: float) -> float:
    """Return the rate, in floating-point operations a second, of a large matmul on the device."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a = torch.randn(MATRIX, MATRIX, device=device).to(dtype)
    sync = _sync(device)
    times = [seconds(lambda _: a @ a, sync, long) for _ in range(3)]
    return 2 * MATRIX**3 / min(times)


def _sync(device: torch.device) -> Callable[[], None]:
    synchronise: Callable[[], None] = torch.get_device_module(device).synchronize
    return synchronise


def _print(found: list[Speed], about: Mapping[str, str | float], dataset: str) -> None:
    facts = ", ".join(f"{name} {value}" for name, value in about.items())
    title = f"{dataset}: training steps per second; {facts}"
    table = Table("method", "steps/s", "plain", "ratio", "of peak", "data", title=title)
    for one in found:
        rates = f"{one.steps:.1f}", f"{one.plain:.1f}", f"{one.ratio:.2f}"
        table.add_row(one.method, *rates, f"{one.of_peak:.1%}", f"{one.data:.1%}")
    Console().print(table)
