"""How many programs XLA compiles in this process, and for how long; counted from the import on."""

import time

import jax

_SPANS, _FOUND = [], []


def _heard(event, seconds, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        end = time.perf_counter()
        _SPANS.append((end - seconds, end))


def _counted(event, **_):
    if event == "/jax/compilation_cache/cache_hits":
        _FOUND.append(event)


jax.monitoring.register_event_duration_secs_listener(_heard)
jax.monitoring.register_event_listener(_counted)


def compilations():
    """Programs compiled, those found in the cache, and the wall time in which either went on."""
    found = len(_FOUND)
    return {"compiled": len(_SPANS) - found, "found": found, "compiling": covered(_SPANS)}


def covered(spans):
    """Seconds in which at least one of the spans (start, end) goes on."""
    seconds, last = 0.0, 0.0
    for start, end in sorted(spans):
        seconds += max(0.0, end - max(start, last))
        last = max(last, end)
    return seconds
