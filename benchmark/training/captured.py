"""Training steps as CUDA graphs: a step is captured once, then replayed by one launch.

PyTorch, CUDA semantics, CUDA graphs,
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs. A replayed graph repeats the
operations that were captured, with the Python numbers that they had. So every kind of step
(`Batch.kind`) has a graph of its own, and a step is captured only if two in a row were alike.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from methods.base import Batch

EAGER = 3
"""How many steps of a kind are taken before one is captured; PyTorch asks for three."""
WAITS = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "_unique2",
    "lift_fresh",  # a tensor of Python numbers, which is copied from the host
}


class Trace(TorchDispatchMode):
    """Records the operations of a step, with the Python numbers that they are given.

    Attributes:
        operations: in order.
        waits: names of those for which the host waits for the device, or copies to it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, ...]] = []
        self.waits: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        numbers = (a for a in tree_leaves((args, kwargs)) if isinstance(a, bool | int | float))
        self.operations.append((func, *numbers))
        if func.overloadpacket.__name__ in WAITS:
            self.waits.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def obstacle(traces: list[Trace], optimisers: dict[str, Optimizer]) -> str | None:
    """Return why steps like these cannot be captured; None if nothing is known against it."""
    for name, optimiser in optimisers.items():
        tensors = [x for x in tree_leaves(optimiser.state) if isinstance(x, Tensor)]
        if any(x.device.type == "cpu" for x in tensors):
            return f"optimiser {name} keeps numbers on the host"
    if waits := [name for trace in traces for name in trace.waits]:
        return f"a step waits for the device: {waits[0]}"
    if traces[0].operations != traces[-1].operations:
        return "its operations, or numbers in them, change from step to step"
    return None


class CapturedSteps:
    """Takes training steps on a GPU; from the fourth of a kind on it replays a graph.

    Attributes:
        step: takes one on a batch that is on the device.
        optimisers: those that it steps.
        device: the GPU.
        graphs: by kind of step, with the batch that each reads.
        reason: why steps are not captured; None while they are.
    """

    def __init__(
        self,
        step: Callable[[Batch], None],
        optimisers: dict[str, Optimizer],
        device: torch.device,
    ) -> None:
        self.step, self.optimisers, self.device = step, optimisers, device
        self.side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.reason: str | None = None
        self.graphs: dict[Any, tuple[torch.cuda.CUDAGraph, Batch]] = {}
        self._traces: defaultdict[Any, list[Trace]] = defaultdict(list)
        for group in (group for o in optimisers.values() for group in o.param_groups):
            if "capturable" in group:
                group["capturable"] = True

    def take(self, batch: Batch) -> None:
        """Take a step on a batch in the host's memory."""
        kind = batch.kind
        if kind not in self.graphs and self.reason is None and len(self._traces[kind]) == EAGER:
            self._capture(batch)
        if kind in self.graphs:
            graph, inputs = self.graphs[kind]
            for name, tensor in inputs.tensors.items():
                # Pinned memory is not used again before the copy is done: PyTorch sees to it.
                tensor.copy_(batch.tensors[name].pin_memory(), non_blocking=True)
            graph.replay()
        elif self.reason is None:
            self._trace(batch)
        else:
            self.step(batch.to(self.device))

    def _trace(self, batch: Batch) -> None:
        """Take a step, on a stream of its own as before any capture, and record it."""
        current = torch.cuda.current_stream()
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side), Trace() as trace:
            self.step(batch.to(self.device))
        current.wait_stream(self.side)
        self._traces[batch.kind].append(trace)

    def _capture(self, batch: Batch) -> None:
        """Capture a step, which is not taken; leave it, and say why, if that cannot be done."""
        # The first step differs: it makes the optimisers' state.
        self.reason = obstacle(self._traces[batch.kind][1:], self.optimisers)
        if self.reason is not None:
            return
        graph, inputs = torch.cuda.CUDAGraph(), batch.to(self.device)
        try:
            with torch.cuda.graph(graph):
                self.step(inputs)
        except RuntimeError as error:
            self.reason = str(error).splitlines()[0]
        else:
            self.graphs[batch.kind] = graph, inputs
