"""Programs that are compiled while the host does something else."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from paramjax._jaxprs import runs_uncompiled
from paramjax._threads import PREFIX


class Ahead:
    """Compiles a jitted function for its inputs in a thread; a call after `wait` finds it compiled.

    It is traced here, so that what is wrong with it is raised here, and under the settings of the
    caller, which hold in its own thread only.

    Args:
        program: What `jax.jit` returned.
        inputs: Arrays, or the shapes of arrays that are not committed to a device.

    Example:
        >>> import jax
        >>> double = jax.jit(lambda x: 2 * x)
        >>> Ahead(double, jax.ShapeDtypeStruct((), "float32")).wait()
        >>> float(double(4.0))
        8.0
    """

    def __init__(self, program: Any, *inputs: Any) -> None:
        self._thread: threading.Thread | None = None
        if not runs_uncompiled() and not _is_warm(program):
            lowered = program.lower(*inputs)
            self._thread = threading.Thread(
                target=_compile, args=[lowered], name=PREFIX, daemon=True
            )
            self._thread.start()

    def wait(self) -> None:
        """Wait until it is compiled."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _is_warm(program: Any) -> bool:
    """Whether it was called before; with other inputs then, the next call compiles it."""
    return bool(getattr(program, "_cache_size", int)())


def _compile(lowered: Any) -> None:
    with contextlib.suppress(Exception):  # the call raises it again
        lowered.compile()
