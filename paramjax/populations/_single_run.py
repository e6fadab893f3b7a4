"""A segment of one run, whose steps keep no state of before: what diverged is trained anew.

Choosing at each step between the state after it and the one before, as mapped runs must,
costs a single run of a small model a twentieth of its time. Here steps only note whether their
loss was finite, and end where one was not. The state before such a step is then found by
training the segment again up to it, which happens at most once to each step of a run.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Metrics, PyTree
from paramjax.populations._loop import Carry, Reading, batch_of, moved, no_metrics, written
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.step._state import TrainState


class _Loop(NamedTuple):
    """Where a segment stands.

    Attributes:
        state: The last state that is known to be good.
        done: Steps of the segment before it.
        end: Steps after which the next attempt ends.
        alive: Whether the run goes on.
        computed: Steps computed in all attempts.
        metrics: What steps reported, [capacity, ...].
    """

    state: TrainState
    done: Array
    end: Array
    alive: Array
    computed: Array
    metrics: Metrics


class _Attempt(NamedTuple):
    """Steps from a good state on; the last one may have had a loss that is not finite."""

    state: TrainState
    done: Array
    finite: Array
    metrics: Metrics


def advance(
    traced: TracedTrainer,
    capacity: int,
    numbers: Numbers,
    carry: Carry,
    reading: Reading,
    data: PyTree,
) -> tuple[Carry, Metrics, Array]:
    """As `loop.advance`, of one run.

    Args:
        traced: What a run computes.
        capacity: Steps of the longest segment.
        numbers: Hyperparameters, leaves [].
        carry: Where the run stands.
        reading: Which rows it reads, and for how many steps.
        data: Leaves [rows, ...].

    Returns:
        Where it stands then; the metrics [capacity, ...], of which the first `length` hold
        steps, NaN where it was lost before; steps computed, int32[].
    """

    def step(attempt: _Attempt) -> _Attempt:
        batch = batch_of(reading, attempt.done, data)
        state, metrics = traced.step.call(numbers, attempt.state, batch)
        finite = jnp.isfinite(metrics["loss"])
        noted = written(attempt.metrics, attempt.done, metrics)
        return _Attempt(state, attempt.done + 1, finite, noted)

    def attempted(loop: _Loop) -> _Loop:
        first = _Attempt(loop.state, loop.done, jnp.bool_(True), loop.metrics)
        after = jax.lax.while_loop(lambda a: a.finite & (a.done < loop.end), step, first)
        single = after.done == loop.done + 1
        # a guard that rejects a step leaves the parameters as they were
        lost = ~after.finite & single & moved(loop.state.params, after.state.params)
        good = after.finite | (single & ~lost)
        return _Loop(
            jax.lax.cond(good, lambda: after.state, lambda: loop.state),
            jnp.where(good, after.done, loop.done),
            jnp.where(good, reading.length, after.done - 1),
            loop.alive & ~lost,
            loop.computed + after.done - loop.done,
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
