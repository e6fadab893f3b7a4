"""A segment of steps of one run, without a copy of the state before: see `runs._until_nonfinite`.

If a loss is not finite, the segment is computed again up to the step before.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Metrics, PyTree
from paramjax.populations._mapped_loop import Carry, Reading, batch_of, moved
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._until_nonfinite import Attempt, attempt_until, no_metrics
from paramjax.step._state import TrainState


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
    """`_loop.advance` of one run."""

    def attempted(loop: _Loop) -> _Loop:
        after = attempt_until(
            lambda state, batch: traced.step.call(numbers, state, batch),
            lambda done: batch_of(reading, done, data),
            ("loss",),
            Attempt(loop.state, loop.done, jnp.bool_(True), loop.metrics),
            loop.end,
        )
        tried = after.done + ~after.ok
        single = tried == loop.done + 1
        # a hook that rejects a step leaves the parameters unchanged
        lost = ~after.ok & single & moved(loop.state.params, after.state.params)
        good = after.ok | (single & ~lost)
        return _Loop(
            jax.lax.cond(good, lambda: after.state, lambda: loop.state),
            jnp.where(good, tried, loop.done),
            jnp.where(good, reading.length, after.done),
            loop.alive & ~lost,
            loop.computed + tried - loop.done,
            after.metrics,
        )

    start = _Loop(
        carry.state, jnp.int32(0), reading.length, carry.alive, jnp.int32(0),
        no_metrics(traced.step.out[1], (capacity,)),
    )  # fmt: skip
    end = jax.lax.while_loop(
        lambda loop: loop.alive & (loop.done < reading.length), attempted, start
    )
    carry = Carry(end.state, end.alive, carry.steps + end.done)
    return carry, end.metrics, end.computed
