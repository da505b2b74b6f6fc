"""The arithmetic of a run: which device, and whether the nets multiply in bfloat16."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from benchmark.registry import unknown

Precision = Literal["float32", "bfloat16"]


def prepare() -> None:
    """Set what a process must set before it trains.

    Subnormal gradients slow float32 on a CPU down by up to 1.7 times; they are flushed to zero.
    """
    torch.set_flush_denormal(True)


def device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is a GPU if there is one.

    Raises:
        UserError: there is no such device here.
    """
    here = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if name == "auto":
        return torch.device(here[-1])
    if name not in here:
        raise unknown("device", name, ["auto", *here])
    return torch.device(name)


def precision(name: str, device: torch.device) -> Precision:
    """Return what `name` means there; `auto` is bfloat16 where the hardware multiplies it."""
    if name == "auto":
        return "bfloat16" if _fast_bfloat16(device) else "float32"
    if name not in ("float32", "bfloat16"):
        raise unknown("precision", name, ["auto", "float32", "bfloat16"])
    return name  # type: ignore[return-value]


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capable = torch.cpu.get_capabilities()
    return bool(capable.get("avx512_bf16") or capable.get("amx_bf16"))


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Return the context in which nets run; losses are float32 in either."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
