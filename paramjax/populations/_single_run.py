"""A segment of steps of one run on a CPU, which keeps no state of the step before.

Choosing at each step between the state after it and the one before costs a small model a
twentieth of its time. Here a step only notes whether it is refused. The state before a refused
step is found by another attempt at the steps before it, so each step is done at most twice.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Metrics, PyTree
from paramjax.populations._mapped_loop import Carry, Reading, batch_of, keeps
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._metric_rows import MetricRows
from paramjax.runs._step_loop import Progress, steps_until
from paramjax.step._state import TrainState


class _Attempt(NamedTuple):
    """The state after a step, and whether no step was refused."""

    state: TrainState
    ok: Array


class _Loop(NamedTuple):
    """The progress of a segment."""

    state: TrainState  # the last one known to be good
    done: Array  # steps of the segment up to that state
    end: Array  # the step of the segment at which the next attempt ends
    alive: Array  # whether the run goes on
    computed: Array  # steps computed in all attempts
    rows: MetricRows  # of the steps


def advance(
    traced: TracedTrainer, capacity: int, numbers: Numbers, carry: Carry, reading: Reading,
    data: PyTree,
) -> tuple[Carry, Metrics, Array]:  # fmt: skip
    """`_mapped_loop.advance` of one run."""

    def step(attempt: _Attempt, batch: Batch) -> tuple[_Attempt, Metrics]:
        new, metrics = traced.step.call(numbers, attempt.state, batch)
        return _Attempt(new, keeps(traced.finite, traced.careful, new.params, metrics)), metrics

    def attempted(loop: _Loop) -> _Loop:
        after = steps_until(
            step,
            lambda done: batch_of(reading, done, data),
            Progress(_Attempt(loop.state, jnp.bool_(True)), loop.done, loop.rows),
            loop.end,
            1,
            lambda attempt: attempt.ok,
        )
        state, good = after.state
        # of a refused step alone it is known what was before it
        lost = ~good & (after.done == loop.done + 1)
        return _Loop(
            jax.lax.cond(good, lambda: state, lambda: loop.state),
            jnp.where(good, after.done, loop.done),
            jnp.where(good, reading.length, after.done - 1),
            loop.alive & ~lost,
            loop.computed + after.done - loop.done,
            after.rows,
        )

    none, rows = jnp.int32(0), MetricRows.room(traced.step.out[1], capacity)
    start = _Loop(carry.state, none, reading.length, carry.alive, none, rows)
    end = jax.lax.while_loop(
        lambda loop: loop.alive & (loop.done < reading.length), attempted, start
    )
    carry = Carry(end.state, end.alive, carry.steps + end.done)
    return carry, end.rows.metrics(capacity), end.computed
