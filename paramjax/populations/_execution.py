"""How a population is executed: memory, layout, devices and progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax

from paramjax._checks import describe
from paramjax.populations._layout import Layout
from paramjax.populations.planning._memory import MemoryLimit, memory_limit


@dataclass(frozen=True)
class Execution:
    """How the runs of a sweep or search are laid out on the machine; the default serves.

    Attributes:
        memory: Bytes that may be taken, by the process on a CPU and on the device elsewhere;
            "auto" for most of what is free.
        layout: How runs are laid out, a `pj.populations.Layout`; None chooses by measurement.
        devices: Which devices share the runs; None for all there are, those of other processes
            too.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Raises:
        TypeError: If `memory` is neither "auto" nor a number, or `layout` not a layout.
        ValueError: If `memory` is too little, or more than there is.

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
