"""What a result depends on and nobody chose: the machine and the versions of the libraries."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import torch

from benchmark.registry import PACKAGE

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "h5py")


def versions() -> dict[str, str]:
    """Return the versions of Python, of this suite and of the libraries that numbers come from."""
    found = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    # A checkout that was never installed runs as well.
    with suppress(PackageNotFoundError):
        found[PACKAGE] = version(PACKAGE)
    return found


def describe(device: torch.device) -> dict[str, str | int]:
    """Return the processor, its threads, and the device that trained."""
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.processor())
    name = str(cpu)
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    if device.type == "mps":
        name = torch.backends.mps.get_name()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": str(cpu),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": name,
    }
