"""The programs of a run: its beginning, and some steps of it.

A chunk is a while loop whose number of steps is traced, so one program serves chunks of any
length: where a run is cut, for a validation, a checkpoint or by a kill, never changes a bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import is_key
from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.runs._batch_spec import (
    BatchSpec,
    Cursor,
    at_step,
    batch_of,
    before_the_first,
    rest_of,
)
from paramjax.step._state import Trainer, TrainState

_CHUNK_STEPS = 2**16
"""Steps of a chunk at most: of the smallest models they take a tenth of a second."""

_BUFFER_BYTES = 2**24
"""Metrics that a chunk may hold at most."""


REFUSING = ("loss", "grad_norm")
"""Metrics that must be finite, as far as a step reports them."""


class Chunk(NamedTuple):
    """What a chunk leaves.

    Attributes:
        state: The state after its last step.
        cursor: Where the order of the data stands, None for whole data and streams.
        done: Finite steps, int32[].
        ok: Whether all of them were, bool[]. One that was not is the last step, and its
            metrics lie behind those of the finite ones.
        metrics: Name -> [capacity, ...], of which the first `done` are valid.
    """

    state: TrainState
    cursor: Cursor | None
    done: Array
    ok: Array
    metrics: Metrics


class _Carry(NamedTuple):
    """What a step of a chunk hands to the next one."""

    done: Array
    ok: Array
    state: TrainState
    metrics: Metrics


@functools.partial(jax.jit, static_argnames=("trainer", "plan"))
def begin(
    trainer: Trainer, plan: BatchSpec, params: Params, model_state: ModelState, key: Key
) -> tuple[TrainState, Cursor | None, Key]:
    """The first state of a run, the cursor before its first step, and the key of the data.

    Args:
        trainer: What a step is.
        plan: What is static about the run.
        params: Where to start; copied, because chunks take their state's memory over.
        model_state: Where a stateful model starts.
        key: The key of the run.

    Returns:
        State, cursor and data key.
    """
    state_key, data_key = jax.random.split(key)
    state = trainer.init(state_key, params, model_state)
    copied = jax.tree.map(lambda leaf: leaf if is_key(leaf) else jnp.copy(leaf), state)
    return copied, before_the_first(plan, data_key), data_key


def advance(
    trainer: Trainer,
    plan: BatchSpec,
    state: TrainState,
    cursor: Cursor | None,
    data: PyTree,
    data_key: Key,
    start: int,
    steps: int,
) -> Chunk:
    """Some steps on data that lies on the device.

    Args:
        trainer: What a step is.
        plan: What is static about the run.
        state: Where to start; its memory is taken over unless the plan says stop.
        cursor: Where the order of the data stands.
        data: Leaves [rows, ...].
        data_key: Names the order of the data.
        start: Steps that the run has done.
        steps: Steps to do; the buffers may allow less.

    Returns:
        The chunk.
    """
    program = _on_data if plan.stop else _on_data_in_place
    # numbers of numpy, for those of jax would be put on the device by programs of their own
    numbers = np.int32(start), np.int32(steps)
    return program(trainer, plan, state, cursor, data, data_key, *numbers)


def advance_on(
    trainer: Trainer, plan: BatchSpec, state: TrainState, batches: Batch, first: int, steps: int
) -> Chunk:
    """Some steps on a stack of batches that a stream has delivered.

    Args:
        trainer: What a step is.
        plan: What is static about the run.
        state: Where to start; its memory is taken over unless the plan says stop.
        batches: Leaves [stack, batch, ...].
        first: The batch to begin with.
        steps: Steps to do; the buffers may allow less.

    Returns:
        The chunk.
    """
    program = _on_stack if plan.stop else _on_stack_in_place
    return program(trainer, plan, state, batches, np.int32(first), np.int32(steps))


def _steps_on_data(
    trainer: Trainer,
    plan: BatchSpec,
    state: TrainState,
    cursor: Cursor | None,
    data: PyTree,
    data_key: Key,
    start: Array,
    steps: Array,
) -> Chunk:
    if plan.batch_size is None:
        step = _Step(trainer, plan, state, data)
        carry = step.until(steps, lambda done: data, step.begin(state))
        return Chunk(carry.state, None, carry.done, carry.ok, carry.metrics)
    assert cursor is not None
    step = _Step(trainer, plan, state, batch_of(data, cursor, 0))
    steps = jnp.minimum(steps, step.capacity)

    def block(inputs: tuple[_Carry, Cursor]) -> tuple[_Carry, Cursor]:
        carry, cursor = inputs
        cursor, first = at_step(plan, data_key, cursor, start + carry.done)
        first = first + carry.done  # the chunk's step at which the block begins
        end = jnp.minimum(steps, first + len(cursor.rows))
        full = end if not plan.has_rest else jnp.minimum(end, first + len(cursor.rows) - 1)
        carry = step.until(full, lambda done: batch_of(data, cursor, done - first), carry)
        if plan.has_rest:
            carry = jax.lax.cond(
                carry.ok & (carry.done < end),
                lambda carry: step.once(rest_of(plan, data, cursor), carry),
                lambda carry: carry,
                carry,
            )
        return carry, cursor

    carry, cursor = jax.lax.while_loop(
        lambda inputs: inputs[0].ok & (inputs[0].done < steps), block, (step.begin(state), cursor)
    )
    return Chunk(carry.state, cursor, carry.done, carry.ok, carry.metrics)


def _steps_on_stack(
    trainer: Trainer, plan: BatchSpec, state: TrainState, batches: Batch, first: Array, steps: Array
) -> Chunk:
    def batch(done: Array) -> Batch:
        return jax.tree.map(lambda leaf: leaf[first + done], batches)

    most = jax.tree.leaves(batches)[0].shape[0]
    step = _Step(trainer, plan, state, jax.tree.map(lambda leaf: leaf[0], batches), most)
    carry = step.until(steps, batch, step.begin(state))
    return Chunk(carry.state, None, carry.done, carry.ok, carry.metrics)


_static = functools.partial(jax.jit, static_argnames=("trainer", "plan"))
_on_data, _on_stack = _static(_steps_on_data), _static(_steps_on_stack)
_on_data_in_place = _static(_steps_on_data, donate_argnames="state")
_on_stack_in_place = _static(_steps_on_stack, donate_argnames="state")


class _Step:
    """One step with its metrics written down, traced once however often it is used."""

    def __init__(
        self,
        trainer: Trainer,
        plan: BatchSpec,
        state: TrainState,
        batch: Batch,
        most: int = _CHUNK_STEPS,
    ) -> None:
        # compiled within, so that asking for the shapes and running trace it once together
        self._step = jax.jit(trainer.step)
        _, self._shapes = jax.eval_shape(self._step, state, batch)
        if "loss" not in self._shapes:
            raise ValueError(
                f"trainer: the metrics of its step hold no 'loss', got {sorted(self._shapes)}; "
                "pj.train_step and pj.step.assemble report one"
            )
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._shapes))
        self.capacity = min(most, max(1, _BUFFER_BYTES // max(1, size)))
        # a guard among the hooks has its own way with such steps
        self._stop = plan.stop and "skipped" not in self._shapes

    def begin(self, state: TrainState) -> _Carry:
        """The carry before the first step."""
        metrics = jax.tree.map(
            lambda leaf: jnp.zeros((self.capacity, *leaf.shape), leaf.dtype), self._shapes
        )
        return _Carry(jnp.int32(0), jnp.bool_(True), state, metrics)

    def until(self, end: Array, batch: Callable[[Array], Batch], carry: _Carry) -> _Carry:
        """Steps until as many as `end` are done in the chunk, or one is refused."""
        end = jnp.minimum(end, self.capacity)
        return jax.lax.while_loop(
            lambda carry: carry.ok & (carry.done < end),
            lambda carry: self.once(batch(carry.done), carry),
            carry,
        )

    def once(self, batch: Batch, carry: _Carry) -> _Carry:
        """One step."""
        state, metrics = self._step(carry.state, batch)
        written = jax.tree.map(
            lambda buffer, value: jax.lax.dynamic_update_index_in_dim(buffer, value, carry.done, 0),
            carry.metrics,
            metrics,
        )
        if not self._stop:
            return _Carry(carry.done + 1, carry.ok, state, written)
        # choosing between the new and the old state here would cost 7 % of a small model's step
        ok = jnp.bool_(True)
        for name in REFUSING:
            ok &= jnp.isfinite(metrics[name]) if name in metrics else True
        return _Carry(carry.done + ok, ok, state, written)
