"""A segment of steps of one run, without a copy of the state before: see `runs._until_nonfinite`.

If a loss or a gradient is not finite, the segment is computed again up to the step before.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Metrics, PyTree
from paramjax.populations._mapped_loop import (
    Carry,
    Reading,
    batch_of,
    finite_params,
    room,
)
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._until_nonfinite import Attempt, attempt_until
from paramjax.step._state import TrainState

_PARAMS = " parameters"
"""A metric that is infinite where parameters are not finite; no user can call one so."""


class _Loop(NamedTuple):
    """The progress of a segment."""

    state: TrainState  # the last one known to be good
    done: Array  # steps of the segment up to that state
    end: Array  # the step of the segment at which the next attempt ends
    alive: Array  # whether the run goes on
    computed: Array  # steps computed in all attempts
    metrics: Metrics  # of the steps, [capacity, ...]


def advance(
    traced: TracedTrainer, capacity: int, numbers: Numbers, carry: Carry, reading: Reading,
    data: PyTree,
) -> tuple[Carry, Metrics, Array]:  # fmt: skip
    """`_mapped_loop.advance` of one run."""
    names = (*traced.finite, *([_PARAMS] if traced.careful else []))

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        new, metrics = traced.step.call(numbers, state, batch)
        if traced.careful:
            whole = finite_params(new.params)
            metrics = {**metrics, _PARAMS: jnp.where(whole, 0.0, jnp.inf).astype(jnp.float32)}
        return new, metrics

    def attempted(loop: _Loop) -> _Loop:
        after = attempt_until(
            step,
            lambda done: batch_of(reading, done, data),
            names,
            Attempt(loop.state, loop.done, jnp.bool_(True), loop.metrics),
            loop.end,
        )
        tried = after.done + ~after.ok
        good, lost = after.ok, ~after.ok & (tried == loop.done + 1)
        return _Loop(
            jax.lax.cond(good, lambda: after.state, lambda: loop.state),
            jnp.where(good, tried, loop.done),
            jnp.where(good, reading.length, after.done),
            loop.alive & ~lost,
            loop.computed + tried - loop.done,
            after.metrics,
        )

    shapes = traced.step.out[1]
    extra = {_PARAMS: jnp.float32(0)} if traced.careful else {}
    start = _Loop(
        carry.state, jnp.int32(0), reading.length, carry.alive, jnp.int32(0),
        room(shapes | extra, (capacity,)),
    )  # fmt: skip
    end = jax.lax.while_loop(
        lambda loop: loop.alive & (loop.done < reading.length), attempted, start
    )
    carry = Carry(end.state, end.alive, carry.steps + end.done)
    return carry, {name: end.metrics[name] for name in shapes}, end.computed
