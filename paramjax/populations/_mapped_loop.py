"""Steps of one run or of several mapped ones; a run that diverges is frozen.

The loop is outside of the mapping, so that all runs take the same number of steps, and it ends
once every run has diverged. On a CPU a single run has a loop of its own, in `_single_run`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._arrays import chosen, nbytes, rows_at
from paramjax._types import Array, Batch, Metrics, ModelState, Params, PyTree
from paramjax.optim import update_plateau
from paramjax.populations._seed_rows import rows_of
from paramjax.populations._starts import Starts
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._metric_rows import MetricRows
from paramjax.runs._step_loop import Progress, burst_of, steps_until
from paramjax.step._state import TrainState


class Carry(NamedTuple):
    """The progress of a run; of mapped ones, leaves [runs, ...]."""

    state: TrainState  # of a diverged run, the one before the step that lost it
    alive: Array  # bool[], whether the run goes on
    steps: Array  # int32[], steps that the run has trained


class Reading(NamedTuple):
    """Which rows a segment of steps reads."""

    order: Array | None  # int32[steps, seeds, batch]; None reads all rows
    seed_index: Array  # int32[] or int32[runs], index of each run's seed in the order
    offset: Array  # int32[], index of the segment's first step in the order
    length: Array  # int32[], steps of the segment


def begin(
    traced: TracedTrainer, mapped: bool, numbers: Numbers, seed_index: Array, starts: Starts,
    model: ModelState,
) -> Carry:  # fmt: skip
    """The carry before the first step."""
    params, key = jax.tree.map(lambda leaf: leaf[seed_index], (starts.params, starts.key))
    init = _over_runs(mapped, traced.init.call, (0, 0, 0, None))
    state = init(numbers, key, params, model)
    return Carry(state, jnp.ones(seed_index.shape, bool), jnp.zeros(seed_index.shape, jnp.int32))


def step(
    traced: TracedTrainer, mapped: bool, numbers: Numbers, carry: Carry, batch: Batch, *,
    shared: bool,
) -> tuple[Carry, Metrics]:  # fmt: skip
    """One step of every run that goes on; the metrics of the others mean nothing."""
    over = _over_runs(mapped, traced.step.call, (0, 0, None if shared else 0))
    new, metrics = over(numbers, carry.state, batch)
    sound: Callable[..., Array] = _over_runs(
        mapped, functools.partial(keeps, traced.finite, traced.careful), (0, 0)
    )
    return frozen(carry.alive & sound(new.params, metrics), carry, new), metrics


def keeps(finite: tuple[str, ...], careful: bool, after: Params, metrics: Metrics) -> Array:
    """Whether a step does not lose its run, bool[]: as in `fit`, the named metrics are finite.

    Those are the loss and the norm of the gradient, unless a hook guards the steps. Careful ones
    also look whether the parameters after the step are finite.
    """
    whole: Array = jnp.bool_(True)
    for name in finite:
        whole &= jnp.isfinite(metrics[name])
    if careful:
        whole &= finite_params(after)
    return whole


def frozen(alive: Array, carry: Carry, new: TrainState) -> Carry:
    """The carry after a step: the new state where a run is alive, else the one before."""
    return Carry(chosen(alive, new, carry.state), alive, carry.steps + alive)


def finite_params(params: Params) -> Array:
    """Whether all parameters of a run are finite, bool[]."""
    leaves = jax.tree.leaves(params)
    return _all([jnp.isfinite(x) for x in leaves if jnp.issubdtype(x.dtype, jnp.inexact)])


def advance(
    traced: TracedTrainer, mapped: bool, capacity: int, numbers: Numbers, carry: Carry,
    reading: Reading, data: PyTree,
) -> tuple[Carry, Metrics, Array]:  # fmt: skip
    """A segment of steps: the carry, the metrics, [capacity, ...], and the steps computed."""

    def one(carry: Carry, batch: Batch) -> tuple[Carry, Metrics]:
        return step(traced, mapped, numbers, carry, batch, shared=reading.order is None)

    burst = burst_for(traced, carry.alive.size, capacity)
    shapes = traced.step.out[1]
    if mapped:
        shapes = {n: _with_runs(own, len(carry.alive)) for n, own in shapes.items()}
    end = steps_until(
        one,
        lambda done: batch_of(reading, done, data),
        Progress(carry, jnp.int32(0), MetricRows.room(shapes, capacity + burst - 1)),
        reading.length,
        burst,
        lambda carry: jnp.any(carry.alive),
    )
    computed = jnp.broadcast_to(end.done, carry.alive.shape)
    return end.state, end.rows.metrics(capacity), computed


def burst_for(traced: TracedTrainer, runs: int, capacity: int) -> int:
    """Steps that a device takes without asking, of runs in segments of at most `capacity`."""
    return burst_of(runs * nbytes(traced.kept.out[0]), capacity, [capacity])


def _with_runs(shape: Any, runs: int) -> Any:
    """The shape of a metric of mapped runs."""
    shape_of: Any = jax.ShapeDtypeStruct
    return shape_of((runs, *shape.shape), shape.dtype)


def batch_of(reading: Reading, done: Array, data: PyTree) -> Batch:
    """The rows of one step."""
    if reading.order is None:
        return data
    step = jax.lax.dynamic_index_in_dim(
        reading.order, reading.offset + done, keepdims=False, allow_negative_indices=False
    )
    rows = rows_at(step, reading.seed_index)
    return jax.tree.map(lambda leaf: rows_at(leaf, rows), data)


def evaluate(
    traced: TracedTrainer, mapped: bool, numbers: Numbers, carry: Carry, seed_index: Array,
    eval_data: PyTree,
) -> Metrics:  # fmt: skip
    """Evaluate every run, on the rows of its seed."""

    def measure(numbers: Numbers, state: TrainState, index: Array) -> Metrics:
        metrics: Metrics = traced.evaluate.call(numbers, state, rows_of(eval_data, index))
        return metrics

    metrics: Metrics = _over_runs(mapped, measure, (0, 0, 0))(numbers, carry.state, seed_index)
    return metrics


def _all(truths: PyTree) -> Array:
    """Whether all entries of all leaves are true, bool[]."""
    flat = jnp.concatenate([jnp.ones(1, bool), *(t.reshape(-1) for t in jax.tree.leaves(truths))])
    # without the barrier XLA compiles one kernel a leaf
    barrier: Any = jax.lax.optimization_barrier
    return jnp.all(barrier(flat))


def tell(mapped: bool, carry: Carry, score: Array) -> Carry:
    """The carry after its plateaus were told the score of an evaluation, the lower the better."""
    told = _over_runs(mapped, update_plateau, (0, 0))(carry.state, score)
    return carry._replace(state=chosen(carry.alive, told, carry.state))


def _over_runs(mapped: bool, function: Callable[..., Any], axes: tuple[Any, ...]) -> Any:
    return jax.vmap(function, in_axes=axes) if mapped else function
