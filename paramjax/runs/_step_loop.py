"""Steps one after the other, their metrics in rows: of one run, or of several mapped ones.

On a CPU it is a loop whose number of steps is traced. The host of an accelerator decides about
each turn of such a loop, which costs up to 0.1 ms; turns of a loop of known length it starts
without looking. There the loop is one over bursts of a known number of steps. Those beyond the
last one, up to the end of the burst, are computed and thrown away.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._arrays import chosen
from paramjax._types import Array, Batch, Metrics
from paramjax.runs._metric_rows import MetricRows

_BURST = 128
"""Steps of a burst at most."""

_BURST_BYTES = 2**31
"""Bytes of parameters in all steps of a burst at most: where a step takes a millisecond, asking
after a few of them costs little, and a burst can neither be interrupted nor shown."""

_WASTE = 0.07
"""Share of a run's steps that may be thrown away behind its end."""

Step = Callable[[Any, Batch], tuple[Any, Metrics]]
"""`(state, batch) -> (state, metrics)`, of any state."""


class Progress(NamedTuple):
    """Where a loop stands.

    Attributes:
        state: The state after its last step.
        done: Steps that were taken, int32[].
        rows: Their metrics.
    """

    state: Any
    done: Array
    rows: MetricRows


def burst_of(size: int, steps: int, periods: Iterable[int]) -> int:
    """Steps that the default device takes without asking: 1 on a CPU.

    Args:
        size: Bytes of the parameters of all runs that take a step at once.
        steps: Most steps that are taken.
        periods: Numbers of steps after which something happens on the host; the shortest of them
            is cut into equal bursts, so that little is thrown away.

    Example:
        >>> burst_of(12, 1000, [])
        1
    """
    if jax.default_backend() == "cpu":
        return 1
    return _accelerated(size, steps, periods)


def _accelerated(size: int, steps: int, periods: Iterable[int]) -> int:
    """The burst on an accelerator.

    Example:
        >>> _accelerated(10**6, 5000, ()), _accelerated(10**6, 5000, (100, 700))
        (128, 100)
        >>> _accelerated(10**6, 165, ()), _accelerated(2**29, 5000, ())
        (16, 4)
        >>> _accelerated(10**6, 500, [500])
        125
    """
    most = max(1, min(_BURST, _BURST_BYTES // max(1, size)))
    period = min(periods, default=0)
    if 0 < period <= steps:
        return -(-period // -(-period // most))
    # one of a few, so that runs of different length share a program
    sizes = [size for size in (128, 64, 32, 16, 8, 4, 2, 1) if size <= most]
    return next((size for size in sizes if -steps % size <= _WASTE * steps), 1)


def steps_until(
    step: Step,
    batch: Callable[[Array], Batch],
    progress: Progress,
    end: Array,
    burst: int,
    go_on: Callable[[Any], Array] | None = None,
) -> Progress:
    """Steps on `batch(done)` until `end` are done; the rows have room for a burst beyond.

    Given `go_on`, they end after the burst that left a state of which it is false.
    """

    def more(progress: Progress) -> Array:
        more = progress.done < end
        return more if go_on is None else more & go_on(progress.state)

    if burst == 1:
        return jax.lax.while_loop(more, functools.partial(_one, step, batch), progress)

    def one(state: Any, index: Array) -> tuple[Any, dict[str, Array]]:
        new, metrics = step(state, batch(index))
        return chosen(index < end, new, state), progress.rows.row(metrics)

    def several(progress: Progress) -> Progress:
        index = progress.done + jnp.arange(burst, dtype=jnp.int32)
        state, rows = jax.lax.scan(one, progress.state, index)
        written = progress.rows.with_rows(progress.done, rows)
        return Progress(state, jnp.minimum(progress.done + burst, end), written)

    return jax.lax.while_loop(more, several, progress)


def _one(step: Step, batch: Callable[[Array], Batch], progress: Progress) -> Progress:
    state, metrics = step(progress.state, batch(progress.done))
    rows = progress.rows.written(progress.done, metrics)
    return Progress(state, progress.done + 1, rows)


def one_step(step: Step, batch: Batch, progress: Progress) -> Progress:
    """One step."""
    return _one(step, lambda done: batch, progress)
