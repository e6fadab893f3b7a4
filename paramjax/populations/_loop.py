"""Steps of one run or of several mapped ones; what diverges stays as it was.

The loop is outside of the mapping, so that how many steps it takes is one number for all,
and it ends where every run has diverged. A single run has a loop of its own, in `single`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Metrics, ModelState, PyTree
from paramjax.populations._starts import Starts
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._attempt import no_metrics, nothing, written
from paramjax.step._state import TrainState


class Carry(NamedTuple):
    """Where runs stand; each leaf [runs, ...] where they are mapped.

    Attributes:
        state: The state; of a run that diverged, the one before the step that it was lost in.
        alive: Whether it goes on, bool[].
        steps: Steps that it has done, int32[].
    """

    state: TrainState
    alive: Array
    steps: Array


class Reading(NamedTuple):
    """The order of a segment of steps.

    Attributes:
        order: int32[steps, seeds, batch], None where each step takes all rows.
        seed_index: The index of each run's seed in the order, int32[] or int32[runs].
        offset: The index of the segment's first step in the order, int32[].
        length: Steps of the segment, int32[].
    """

    order: Array | None
    seed_index: Array
    offset: Array
    length: Array


def begin(
    traced: TracedTrainer,
    mapped: bool,
    numbers: Numbers,
    seed_index: Array,
    starts: Starts,
    model: ModelState,
) -> Carry:
    """Where runs start."""
    params, key = jax.tree.map(lambda leaf: leaf[seed_index], (starts.params, starts.key))
    init = _over_runs(mapped, traced.init.call, (0, 0, 0, None))
    state = init(numbers, key, params, model)
    return Carry(state, jnp.ones(seed_index.shape, bool), jnp.zeros(seed_index.shape, jnp.int32))


def step(
    traced: TracedTrainer,
    mapped: bool,
    numbers: Numbers,
    carry: Carry,
    batch: Batch,
    *,
    shared: bool,
) -> tuple[Carry, Metrics]:
    """One step of every run that goes on.

    A run is lost in a step whose loss is not finite, unless the step left its parameters as
    they were, as a guard does that rejects it.

    Args:
        traced: What a run computes.
        mapped: Whether there are several, on a leading axis.
        numbers: Hyperparameters.
        carry: Where they stand.
        batch: Leaves [batch, ...], with runs in front unless it is shared.
        shared: Whether all runs take the same batch.

    Returns:
        Where they stand then; the metrics, NaN for those that were lost before.
    """
    over = _over_runs(mapped, traced.step.call, (0, 0, None if shared else 0))
    new, metrics = over(numbers, carry.state, batch)
    suspect = carry.alive & ~jnp.isfinite(metrics["loss"])
    lost = jax.lax.cond(
        jnp.any(suspect),
        lambda: suspect & _over_runs(mapped, moved, (0, 0))(carry.state.params, new.params),
        lambda: jnp.zeros_like(suspect),
    )
    alive = carry.alive & ~lost
    state = jax.tree.map(lambda new, old: _where(alive, new, old), new, carry.state)
    reported = {name: _or_nan(carry.alive, metric) for name, metric in metrics.items()}
    return Carry(state, alive, carry.steps + alive), reported


def advance(
    traced: TracedTrainer,
    capacity: int,
    numbers: Numbers,
    carry: Carry,
    reading: Reading,
    data: PyTree,
) -> tuple[Carry, Metrics, Array]:
    """A segment of steps of mapped runs, as one loop."""

    def go_on(loop: tuple[Array, Carry, Metrics]) -> Array:
        return (loop[0] < reading.length) & jnp.any(loop[1].alive)

    def body(loop: tuple[Array, Carry, Metrics]) -> tuple[Array, Carry, Metrics]:
        done, carry, history = loop
        batch = batch_of(reading, done, data)
        shared = reading.order is None
        carry, metrics = step(traced, True, numbers, carry, batch, shared=shared)
        return done + 1, carry, written(history, done, metrics)

    history = no_metrics(traced.step.out[1], (capacity, *carry.alive.shape))
    done, carry, history = jax.lax.while_loop(go_on, body, (jnp.int32(0), carry, history))
    return carry, history, jnp.full(carry.alive.shape, done)


def batch_of(reading: Reading, done: Array, data: PyTree) -> Batch:
    """The rows of one step."""
    if reading.order is None:
        return data
    rows = reading.order[reading.offset + done][reading.seed_index]
    return jax.tree.map(lambda leaf: leaf[rows], data)


def evaluate(
    traced: TracedTrainer, mapped: bool, numbers: Numbers, carry: Carry, eval_data: PyTree
) -> Metrics:
    """Evaluate every run where it stands."""
    return _over_runs(mapped, traced.evaluate.call, (0, 0, None))(numbers, carry.state, eval_data)


def moved(before: PyTree, after: PyTree) -> Array:
    """Whether any parameter of a run changed, as NaN does."""
    changed = jax.tree.map(lambda old, new: (new != old).reshape(-1), before, after)
    flat = jnp.concatenate([jnp.zeros(1, bool), *jax.tree.leaves(changed)])
    # XLA would make one reduction a leaf of it, each a kernel to compile
    return jax.lax.optimization_barrier(flat).any()


def _over_runs(mapped: bool, function: Callable[..., Any], axes: tuple[Any, ...]) -> Any:
    return jax.vmap(function, in_axes=axes) if mapped else function


def _where(alive: Array, new: Array, old: Array) -> Array:
    """The new one where alive; shapes [runs, ...], or any for one run."""
    return jnp.where(alive.reshape(alive.shape + (1,) * (new.ndim - alive.ndim)), new, old)


def _or_nan(alive: Array, metric: Array) -> Array:
    """The metric where alive, else NaN, or 0 for whole numbers."""
    return _where(alive, metric, jnp.full_like(metric, nothing(metric.dtype)))
