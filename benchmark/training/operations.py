"""What a step does: the operations that it is made of, and the kernels that they start."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmark.training.hardware import KEEP_FREED

Step = Callable[[int], object]

PROFILED = 10
"""Steps that are profiled: there may be several kinds of them."""


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


def kernels(step: Step, device: torch.device, sync: Callable[[], None]) -> tuple[float, float]:
    """Return how many kernels a step runs, and the sum of their seconds; means of a few steps.

    Copies and fills of the device's memory count as kernels, and so do those of a captured graph.
    On anything but CUDA they are the CPU's operations that call no other.
    """
    cuda = device.type == "cuda"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it writes lines even where all is well
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as trace:
        for i in range(PROFILED):
            step(i)
        sync()
    where = "CUDA" if cuda else "CPU"
    found = [
        event.time_range.elapsed_us()
        for event in trace.events() or ()
        if event.device_type.name == where
        and not event.is_user_annotation
        and not event.cpu_children
    ]
    return len(found) / PROFILED, sum(found) / PROFILED / 1e6
