"""How much memory there is, and how much of it is in use."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from paramjax._checks import describe
from paramjax._format import byte_size

MemoryLimit = int | Literal["auto"]
"""Bytes that may be taken, or `auto` for most of what is free."""

_SHARE = 0.8
"""The share of the free memory that `auto` takes."""

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit(memory: MemoryLimit) -> int:
    """Bytes that a population may take: of the process on a CPU, of the device elsewhere."""
    taken, there_is = memory_in_use(), _taken_and_free()
    if memory == "auto":
        return taken + int(_SHARE * (there_is - taken))
    if isinstance(memory, bool) or not isinstance(memory, int | np.integer):
        raise TypeError(f"memory: expected a number of bytes or 'auto', got {describe(memory)}")
    if memory > there_is:
        raise ValueError(
            f"memory: asked for {byte_size(memory)}, and there is {byte_size(there_is)}; ask for "
            "less, or leave it at 'auto'"
        )
    if memory <= taken:
        raise ValueError(
            f"memory: {byte_size(memory)} is less than the {byte_size(taken)} that the program "
            "takes before anything is trained; allow more"
        )
    return int(memory)


def memory_in_use() -> int:
    """Bytes in use now: resident ones of the process, or those of the default device."""
    stats = _device_stats()
    if stats is not None:
        return int(stats["bytes_in_use"])
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _taken_and_free() -> int:
    """Bytes that the process may have in all, those in use and those that are free."""
    stats = _device_stats()
    if stats is not None:
        return int(stats["bytes_limit"])
    limits = [memory_in_use() + _available()]
    for name in _CGROUPS:
        text = Path(name).read_text().strip() if Path(name).exists() else "max"
        limits += [int(text)] if text.isdigit() else []
    return min(limits)


def _available() -> int:
    """Bytes of the machine that are free."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _device_stats() -> Any:
    device = jax.local_devices()[0]
    return None if device.platform == "cpu" else device.memory_stats()
