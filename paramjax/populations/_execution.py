"""How a population is executed: layout, memory, devices and progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax

from paramjax._checks import check_count, describe
from paramjax.populations.planning._memory import MemoryLimit, memory_limit


@dataclass(frozen=True)
class Layout:
    """How many runs one call of a program trains, and how many calls run side by side.

    `Layout(1, workers=2)` trains single runs on two cores at once: inside a loop XLA's CPU code
    mostly uses one thread. `Layout(64)` maps 64 runs into one program (`jax.vmap`).
    `stepwise=True` compiles one step instead of a loop of steps, which is faster for operations
    that use all cores only outside of a loop, such as convolutions.

    Attributes:
        width: Runs that one call trains on each device, positive; 1 maps nothing.
        workers: Calls that run side by side, positive.
        stepwise: Whether each step is a call of its own.

    Raises:
        TypeError: If `width` or `workers` is not a whole number.
        ValueError: If `width` or `workers` is less than 1.

    Example:
        >>> str(Layout(1, workers=2)), str(Layout(64)), str(Layout(1, stepwise=True))
        ('single runs, 2 side by side', '64 runs mapped', 'single runs, step by step')
    """

    width: int = 1
    workers: int = 1
    stepwise: bool = False

    def __post_init__(self) -> None:
        check_count("layout: width", self.width)
        check_count("layout: workers", self.workers)

    def __str__(self) -> str:
        """The layout in words, as a plan prints it."""
        runs = "single runs" if self.width == 1 else f"{self.width} runs mapped"
        steps = ", step by step" if self.stepwise else ""
        workers = f", {self.workers} side by side" if self.workers > 1 else ""
        return runs + steps + workers


@dataclass(frozen=True)
class Execution:
    """How a sweep or search uses the machine; the default needs no thought.

    Attributes:
        memory: Most bytes that may be in use, by the process on a CPU and on the device
            otherwise; "auto" allows most of what is free.
        layout: How runs are laid out, a `pj.populations.Layout`; None measures and chooses.
        devices: The devices that share the runs, all different; None takes all of them, in a
            `jax.distributed` program those of every process.
        progress: Whether to show a progress bar; None shows one on a terminal.

    Raises:
        TypeError: If `memory` is neither "auto" nor a whole number, or `layout` is neither a
            `Layout` nor None.
        ValueError: If `memory` is less than what is in use already, or more than there is.

    Example:
        >>> from paramjax.populations import Layout
        >>> str(Execution(layout=Layout(64)).layout)
        '64 runs mapped'
    """

    memory: MemoryLimit = "auto"
    layout: Layout | None = None
    devices: Sequence[jax.Device] | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        if self.memory != "auto":
            memory_limit(self.memory)
        if self.layout is not None and not isinstance(self.layout, Layout):
            raise TypeError(
                f"layout: expected a pj.populations.Layout or None, got {describe(self.layout)}"
            )
