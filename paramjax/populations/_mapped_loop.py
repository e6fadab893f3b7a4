"""Steps of one run or of several mapped ones; a run that diverges is frozen.

The loop is outside of the mapping, so that all runs take the same number of steps, and it ends
once every run has diverged. A single run has a loop of its own, in `_single_run`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._arrays import chosen, nbytes
from paramjax._types import Array, Batch, Metrics, ModelState, Params, PyTree
from paramjax.optim import update_plateau
from paramjax.populations._seed_rows import rows_of
from paramjax.populations._starts import Starts
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.runs._until_nonfinite import written
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
    shared: bool, within: Array | None = None,
) -> tuple[Carry, Metrics]:  # fmt: skip
    """One step of every run that goes on; the metrics of the others mean nothing.

    A step that is not `within` a segment, bool[], changes nothing; None is one that is.
    """
    over = _over_runs(mapped, traced.step.call, (0, 0, None if shared else 0))
    new, metrics = over(numbers, carry.state, batch)
    sound: Callable[..., Array] = _over_runs(
        mapped, functools.partial(keeps, traced.finite, traced.careful), (0, 0)
    )
    alive = carry.alive & sound(new.params, metrics)
    if within is None:
        return frozen(alive, carry, new), metrics
    after = frozen(alive & within, carry, new)
    return after._replace(alive=jnp.where(within, alive, carry.alive)), metrics


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
    traced: TracedTrainer, capacity: int, numbers: Numbers, carry: Carry, reading: Reading,
    data: PyTree,
) -> tuple[Carry, Metrics, Array]:  # fmt: skip
    """A segment of steps of mapped runs: the carry, the metrics of its steps, steps computed."""

    def go_on(loop: tuple[Array, Carry, Metrics]) -> Array:
        return (loop[0] < reading.length) & jnp.any(loop[1].alive)

    def body(loop: tuple[Array, Carry, Metrics]) -> tuple[Array, Carry, Metrics]:
        done, carry, history = loop
        # of a block of steps the last ones may lie behind the segment
        within = None if block == 1 else done < reading.length
        carry, metrics = step(
            traced, True, numbers, carry, batch_of(reading, done, data),
            shared=reading.order is None, within=within,
        )  # fmt: skip
        taken = 1 if within is None else within
        return done + taken, carry, written(history, done, metrics)

    def several(loop: tuple[Array, Carry, Metrics]) -> tuple[Array, Carry, Metrics]:
        turns: Any = jax.lax.fori_loop
        after: tuple[Array, Carry, Metrics] = turns(0, block, lambda _, loop: body(loop), loop)
        return after

    block = steps_of_block(traced.kept.out[0], len(carry.alive), capacity)
    # with room for what is written behind the segment
    history = room(traced.step.out[1], (capacity + (block > 1), *carry.alive.shape))
    turn = body if block == 1 else several
    done, carry, history = jax.lax.while_loop(go_on, turn, (jnp.int32(0), carry, history))
    return carry, history, jnp.full(carry.alive.shape, done)


_BLOCK_STEPS = range(32, 129)

_BLOCK_BYTES = 2**32
"""Bytes of parameters in all steps of a block at most: where a step takes a millisecond, looking
after a few of them costs little."""


def steps_of_block(params: Params, runs: int, capacity: int) -> int:
    """Steps that are computed before the loop looks whether there are more to come.

    The host of an accelerator decides about each turn of a while loop, which costs 0.1 ms; the
    turns of a loop of known length it starts without looking. So a block has as many steps as
    leave the fewest behind a segment of the longest kind. A CPU looks after each step.

    Args:
        params: Those of a run.
        runs: Runs that a device maps.
        capacity: Steps of the longest segment.
    """
    if jax.default_backend() == "cpu":
        return 1
    most = min(capacity, max(1, _BLOCK_BYTES // max(1, runs * nbytes(params))))
    return min(most, min(_BLOCK_STEPS, key=lambda block: (-capacity % block, -block)))


def batch_of(reading: Reading, done: Array, data: PyTree) -> Batch:
    """The rows of one step."""
    if reading.order is None:
        return data
    rows = reading.order[reading.offset + done][reading.seed_index]
    return jax.tree.map(lambda leaf: leaf[rows], data)


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


def room(shapes: Metrics, leading: tuple[int, ...]) -> Metrics:
    """Zeros for metrics to come; NaN would be an alarm under `jax_debug_nans`."""
    return {n: jnp.zeros((*leading, *own.shape), own.dtype) for n, own in shapes.items()}


def tell(mapped: bool, carry: Carry, score: Array) -> Carry:
    """The carry after its plateaus were told the score of an evaluation, the lower the better."""
    told = _over_runs(mapped, update_plateau, (0, 0))(carry.state, score)
    return carry._replace(state=chosen(carry.alive, told, carry.state))


def _over_runs(mapped: bool, function: Callable[..., Any], axes: tuple[Any, ...]) -> Any:
    return jax.vmap(function, in_axes=axes) if mapped else function
