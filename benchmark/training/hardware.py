"""What a run computes on: the device, its memory, and the numbers that nets multiply."""

import ctypes
import platform
from contextlib import AbstractContextManager
from typing import Literal, TypeVar

import torch
from torch import nn

from benchmark.registry import UserError, unknown

Precision = Literal["float32", "tf32", "bfloat16"]
GPUS = {"cuda": "CUDA GPU", "mps": "Apple GPU (MPS)"}

# Of glibc's malloc.h; the C library takes no larger mapping threshold than this.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEEP_FREED = 32 * 2**20, 2**31 - 1
MPS_TENSOR = 2**32 - 1
"""Bytes of the largest tensor on MPS: https://github.com/pytorch/pytorch/issues/143859."""


def prepare() -> None:
    """Set what a process must set before it trains.

    Subnormal gradients slow float32 on a CPU down by up to 1.7 times; they are flushed to zero.
    Freed memory is kept: giving it back and mapping it anew was a sixth of a training step.
    """
    torch.set_flush_denormal(True)
    allow_tf32(False)
    set_malloc_thresholds(*KEEP_FREED)


def allow_tf32(allowed: bool) -> None:
    """Set whether a GPU rounds the factors of float32 products to 10 bits; cuDNN would by default.

    NVIDIA, TensorFloat-32, https://docs.pytorch.org/docs/stable/notes/cuda.html#tf32-on-ampere.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def release_memory() -> None:
    """Give the memory that `prepare` keeps back to the system, between stages that need little."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def set_malloc_thresholds(mapped: int, trimmed: int) -> None:
    """Have glibc's malloc map blocks from so many bytes on, and give back what exceeds `trimmed`.

    Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, mapped)
        libc.mallopt(M_TRIM_THRESHOLD, trimmed)


def device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is a GPU if there is one: Nvidia's, or Apple's (mps).

    Raises:
        UserError: there is no such device here.
    """
    available = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    here = ["cpu", *(name for name, there in available.items() if there)]
    if name == "auto":
        return torch.device(here[-1])
    if name in available and name not in here:
        choices = ", ".join(["auto", *here])
        raise UserError(f"PyTorch finds no {GPUS[name]} here; --device can be {choices}")
    if name not in here:
        raise unknown("device", name, ["auto", *here])
    return torch.device(name)


def precision(name: str, device: torch.device) -> Precision:
    """Return what `name` means there; `auto` is bfloat16 where the hardware multiplies it.

    Raises:
        UserError: the device does not have it; only an NVIDIA GPU has tf32, and MPS float32 alone.
    """
    if name == "auto":
        return "bfloat16" if _fast_bfloat16(device) else "float32"
    choices = {"cuda": ["float32", "tf32", "bfloat16"], "mps": ["float32"]}
    there = choices.get(device.type, ["float32", "bfloat16"])
    if name not in there:
        raise unknown(f"precision on {device.type}", name, ["auto", *there])
    return name  # type: ignore[return-value]


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    capable = torch.cpu.get_capabilities()
    return bool(capable.get("avx512_bf16") or capable.get("amx_bf16"))


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Return the context in which nets run; losses are float32 in either."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


Module = TypeVar("Module", bound=nn.Module)


def placed(module: Module, device: torch.device) -> Module:
    """Return the module on the device, with images in the layout that convolutions are fast in.

    On MPS, gradients of batch norm are wrong with channels last, and those of convolutions slow:
    https://github.com/pytorch/pytorch/issues/175189 and 193349.
    """
    layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
    return module.to(device, memory_format=layout)  # type: ignore[call-overload, no-any-return]


def memory_for_images(device: torch.device) -> int:
    """Return how many bytes of images may stay in the memory of a GPU; none of a CPU's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    if device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return min(free // 2, MPS_TENSOR)
    return 0
