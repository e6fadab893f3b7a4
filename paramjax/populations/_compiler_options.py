"""Compiler options on a CPU: fast compilation of what runs once, wide vectors for the steps."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import jax

from paramjax._programs import OwnedJit, owned_jit

Options = dict[str, Any]
"""Names of XLA's options -> values."""

RUN_ONCE: Options = {"xla_backend_optimization_level": 1} if jax.__version_info__ < (0, 11) else {}
"""For starts and orders: they compile in half the time, run as fast and give the same bits. Since
JAX 0.11 XLA rounds a few normal numbers otherwise at that level, so they compile as usual there."""

RUN_OFTEN: Options = {"xla_cpu_prefer_vector_width": 512}
"""For steps. LLVM stops at 256 bits, since wider units lower the clock; matrix products use those
units anyway and have lowered it already. Machines without them use what they have."""


def for_backend(options: Options) -> Options | None:
    """The options that this JAX knows, on a CPU; None on other backends."""
    if jax.default_backend() != "cpu":
        return None
    return {name: value for name, value in options.items() if _is_known(name, value)}


_LOCKS = [threading.Lock() for _ in range(64)]
"""Locks of programs that are being compiled, by the hash of their text."""


def compiled(lowered: Any, options: Options) -> Any:
    """A lowered program compiled, on a CPU with the options that this JAX knows.

    Threads with the same program wait for each other: JAX writes an entry of its cache in place,
    so another thread could read half of it.
    """
    text = lowered.compiler_ir().operation.get_asm(large_elements_limit=16)
    with _LOCKS[hash(text) % len(_LOCKS)]:
        if jax.default_backend() != "cpu":
            return lowered.compile()
        try:
            return lowered.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError as error:
            if _UNKNOWN not in str(error):
                raise
        return lowered.compile(compiler_options=for_backend(options))


_saved = 0.0
_SAVED = "/jax/compilation_cache/compile_time_saved_sec"


def seconds_saved() -> float:
    """Seconds of compilation, about, that the cache has saved this process so far.

    JAX keeps whole seconds of each program, rounded down, so that half of one is added to each.
    """
    return _saved


def _note(event: str, duration_secs: float, **others: Any) -> None:
    global _saved
    if event == _SAVED:
        _saved += max(0.0, duration_secs) + 0.5


jax.monitoring.register_event_duration_secs_listener(_note)

_UNKNOWN = "No such compile option"
"""What XLA says of an option that it does not know, before it compiles anything."""


@functools.cache
def _is_known(name: str, value: Any) -> bool:
    """Whether XLA takes the option; their names change between versions."""
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError as error:
        if _UNKNOWN not in str(error):
            raise
        return False
    return True


@functools.cache
def owned_jit_to_run_once(function: Callable[..., Any]) -> OwnedJit[Any]:
    """`jax.jit` for a program that runs once, whose time is spent on compilation.

    It goes with the function that is its first argument.
    """
    return owned_jit(compiler_options=for_backend(RUN_ONCE))(function)
