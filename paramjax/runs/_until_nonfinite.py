"""Steps that keep no state of before: an attempt ends at the first step that is refused.

Choosing at each step between the state after it and the one before costs a small model a
twentieth of its time. Here a step only notes whether it is refused. The state before a refused
step is found by another attempt at the steps before it, so each step of a run is done at most
twice. Runs and single runs of populations go on in this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Metrics
from paramjax.step._state import TrainState

Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


class Attempt(NamedTuple):
    """Where an attempt stands.

    Attributes:
        state: The state after its last step, refused or not.
        done: Steps that were not refused, int32[].
        ok: Whether none was refused, bool[].
        metrics: Name -> [capacity, ...], of which the first `done` are valid. Those of a refused
            step lie behind them.
    """

    state: TrainState
    done: Array
    ok: Array
    metrics: Metrics


def attempt_step(step: Step, batch: Batch, finite: tuple[str, ...], attempt: Attempt) -> Attempt:
    """One step, refused unless the metrics named `finite` are."""
    state, metrics = step(attempt.state, batch)
    ok = jnp.bool_(True)
    for name in finite:
        ok &= jnp.isfinite(metrics[name])
    done = attempt.done + ok.astype(jnp.int32)
    return Attempt(state, done, ok, written(attempt.metrics, attempt.done, metrics))


def attempt_until(
    step: Step,
    batch: Callable[[Array], Batch],
    finite: tuple[str, ...],
    attempt: Attempt,
    end: Array,
) -> Attempt:
    """Steps on `batch(done)` until `end` are done or one is refused."""
    return jax.lax.while_loop(
        lambda attempt: attempt.ok & (attempt.done < end),
        lambda attempt: attempt_step(step, batch(attempt.done), finite, attempt),
        attempt,
    )


def no_metrics(shapes: Metrics, leading: tuple[int, ...]) -> Metrics:
    """Room for metrics, none of them reported yet."""
    return {
        name: jnp.full((*leading, *shape.shape), nothing(shape.dtype), shape.dtype)
        for name, shape in shapes.items()
    }


def written(history: Metrics, done: Array, metrics: Metrics) -> Metrics:
    """The history, [capacity, ...], with the metrics of one step at `done`."""
    update = jax.lax.dynamic_update_index_in_dim
    return {name: update(history[name], metrics[name], done, 0) for name in history}


def nothing(dtype: Any) -> float | int:
    """What stands for a metric that was not reported: NaN, or 0 among whole numbers."""
    return jnp.nan if jnp.issubdtype(dtype, jnp.inexact) else 0
