"""The programs of a run: its beginning, and chunks of its steps.

A chunk is a while loop whose number of steps is traced, so one program serves chunks of any
length: where a run is cut, for a validation, a checkpoint or by a kill, never changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import is_key
from paramjax._programs import owned_jit
from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.runs._batch_spec import (
    BatchSpec,
    Cursor,
    batch_at,
    cursor_at,
    first_cursor,
    rest_batch,
)
from paramjax.runs._until_nonfinite import (
    Attempt,
    attempt_step,
    attempt_until,
    count_nonfinite,
)
from paramjax.step._metrics import check_metrics
from paramjax.step._state import Trainer, TrainState

_CHUNK_STEPS = 2**16
"""Steps of a chunk at most: of the smallest models they take a tenth of a second."""

_BUFFER_BYTES = 2**24
"""Metrics that a chunk may hold at most."""

_CHUNK_SECONDS = 0.2
"""Aimed at for a chunk: long beside the host's work between two, short enough to follow."""

_GROWTH = 8
"""Times longer that a chunk may be than the one before."""

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
        sound: Whether the parameters of the state are as finite as before the chunk, and those to
            evaluate, bool[]: masks of -inf among them are no fault.
        metrics: Name -> [capacity, ...], of which the first `done` are valid.
    """

    state: TrainState
    cursor: Cursor | None
    done: Array
    ok: Array
    sound: Array
    metrics: Metrics


class ChunkSizing:
    """How many `steps` the next chunk should take, so that the host's share is small.

    Example:
        >>> sizing = ChunkSizing()
        >>> sizing.steps
        1
        >>> sizing.measured(1, 5.0)  # with the compilation, so that it says nothing
        >>> sizing.measured(1, 0.001)
        >>> sizing.steps
        8
        >>> sizing.measured(8, 0.4)
        >>> sizing.steps
        4
    """

    def __init__(self) -> None:
        self.steps = 1
        self._compiled = False

    def measured(self, steps: int, seconds: float) -> None:
        """Learn from a chunk: the steps it took, and the seconds from its call to its results."""
        if not self._compiled:
            self._compiled = True
            return
        wanted = int(_CHUNK_SECONDS * steps / max(seconds, 1e-9))
        self.steps = max(1, min(wanted, _GROWTH * max(steps, self.steps)))


@owned_jit(static=2)
def begin(
    trainer: Trainer, spec: BatchSpec, params: Params, model_state: ModelState, key: Key
) -> tuple[TrainState, Cursor | None, Key]:
    """The first state of a run, the cursor before its first step, and the key of the data."""
    state_key, data_key = jax.random.split(key)
    state = trainer.init(state_key, params, model_state)
    # in memory of its own, because chunks take their state's memory over
    copied = jax.tree.map(lambda leaf: leaf if is_key(leaf) else jnp.copy(leaf), state)
    return copied, first_cursor(spec, data_key), data_key


def advance(
    trainer: Trainer,
    spec: BatchSpec,
    state: TrainState,
    cursor: Cursor | None,
    data: PyTree,
    data_key: Key,
    start: int,
    steps: int,
) -> Chunk:
    """At most `steps` steps after `start`, on data [rows, ...] on the device.

    The memory of the state is taken over unless the spec says stop.
    """
    program = _on_data if spec.stop else _on_data_in_place
    # numbers of numpy, for those of jax would be put on the device by programs of their own
    numbers = np.int32(start), np.int32(steps)
    chunk: Chunk = program(trainer, spec, state, cursor, data, data_key, *numbers)
    return chunk


def advance_on(
    trainer: Trainer, spec: BatchSpec, state: TrainState, batches: Batch, first: int, steps: int
) -> Chunk:
    """At most `steps` steps on a stack of batches [stack, batch, ...] of a stream, from `first`.

    The memory of the state is taken over unless the spec says stop.
    """
    program = _on_stack if spec.stop else _on_stack_in_place
    chunk: Chunk = program(trainer, spec, state, batches, np.int32(first), np.int32(steps))
    return chunk


def _steps_on_data(
    trainer: Trainer,
    spec: BatchSpec,
    state: TrainState,
    cursor: Cursor | None,
    data: PyTree,
    data_key: Key,
    start: Array,
    steps: Array,
) -> Chunk:
    if spec.batch_size is None:
        step = _Step(trainer, spec, state, data)
        return step.chunk(step.until(steps, lambda done: data, step.begin(state)))
    assert cursor is not None
    step = _Step(trainer, spec, state, batch_at(data, cursor, 0))
    steps = jnp.minimum(steps, step.capacity)

    def block(inputs: tuple[Attempt, Cursor]) -> tuple[Attempt, Cursor]:
        attempt, cursor = inputs
        cursor, first = cursor_at(spec, data_key, cursor, start + attempt.done)
        first = first + attempt.done  # the chunk's step at which the block begins
        end = jnp.minimum(steps, first + len(cursor.rows))
        full = end if not spec.has_rest else jnp.minimum(end, first + len(cursor.rows) - 1)
        attempt = step.until(full, lambda done: batch_at(data, cursor, done - first), attempt)
        if spec.has_rest:
            attempt = jax.lax.cond(
                attempt.ok & (attempt.done < end),
                lambda attempt: step.once(rest_batch(spec, data, cursor), attempt),
                lambda attempt: attempt,
                attempt,
            )
        return attempt, cursor

    return step.chunk(
        *jax.lax.while_loop(
            lambda inputs: inputs[0].ok & (inputs[0].done < steps),
            block,
            (step.begin(state), cursor),
        )
    )


def _steps_on_stack(
    trainer: Trainer, spec: BatchSpec, state: TrainState, batches: Batch, first: Array, steps: Array
) -> Chunk:
    def batch(done: Array) -> Batch:
        return jax.tree.map(lambda leaf: leaf[first + done], batches)

    most = jax.tree.leaves(batches)[0].shape[0]
    step = _Step(trainer, spec, state, jax.tree.map(lambda leaf: leaf[0], batches), most)
    return step.chunk(step.until(steps, batch, step.begin(state)))


_shared, _in_place = owned_jit(static=2), owned_jit(static=2, donate_argnames="state")
_on_data, _on_data_in_place = _shared(_steps_on_data), _in_place(_steps_on_data)
_on_stack, _on_stack_in_place = _shared(_steps_on_stack), _in_place(_steps_on_stack)


class _Step:
    """One step with its metrics written down, traced once however often it is used."""

    def __init__(
        self,
        trainer: Trainer,
        spec: BatchSpec,
        state: TrainState,
        batch: Batch,
        most: int = _CHUNK_STEPS,
    ) -> None:
        # compiled within, so that asking for the shapes and running trace it once together
        self._step, self._eval_params = jax.jit(trainer.step), trainer.eval_params
        self._masked = count_nonfinite(state.params)
        _, self._shapes = jax.eval_shape(self._step, state, batch)
        check_metrics("trainer", self._shapes)
        if "loss" not in self._shapes:
            raise ValueError(
                f"trainer: the metrics of its step hold no 'loss', got {sorted(self._shapes)}; "
                "pj.train_step and pj.step.assemble report one"
            )
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._shapes))
        self.capacity = min(most, max(1, _BUFFER_BYTES // max(1, size)))
        stops = spec.stop and not trainer.guards_nonfinite
        self._finite = tuple(name for name in REFUSING if stops and name in self._shapes)

    def begin(self, state: TrainState) -> Attempt:
        """The attempt before its first step."""
        # zeros, which are never read: NaN would stop a run under jax_debug_nans
        room = {
            name: jnp.zeros((self.capacity, *shape.shape), shape.dtype)
            for name, shape in self._shapes.items()
        }
        return Attempt(state, jnp.int32(0), jnp.bool_(True), room)

    def until(self, end: Array, batch: Callable[[Array], Batch], attempt: Attempt) -> Attempt:
        """Steps until as many as `end` are done in the chunk, or one is refused."""
        end = jnp.minimum(end, self.capacity)
        return attempt_until(self._step, batch, self._finite, attempt, end)

    def once(self, batch: Batch, attempt: Attempt) -> Attempt:
        """One step."""
        return attempt_step(self._step, batch, self._finite, attempt)

    def chunk(self, attempt: Attempt, cursor: Cursor | None = None) -> Chunk:
        """What the attempt leaves."""
        state = attempt.state
        # once a chunk, so that the steps pay nothing for it
        sound = count_nonfinite(state.params) <= self._masked
        sound &= count_nonfinite(self._eval_params(state)) <= self._masked
        return Chunk(state, cursor, attempt.done, attempt.ok, sound, attempt.metrics)
