"""The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno, for many parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._types import Array
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._newton import minus_log_likelihood
from paramjax.estimate.solvers._solver import Inputs, Rows, Solver, SolverState

_LEVEL = 1e-14
"""Changes of the log likelihood below this share of its size are rounding."""
_PATIENCE = 3
"""Steps in a row without a change beyond rounding at the end."""
_FLAT = 1e-6
"""Largest gradient, relative to the first, where it has converged."""


class _Own(NamedTuple):
    """Optax's memory, and what tells the end."""

    opt_state: Any
    gradient: Array
    first: Array
    level: Array


def lbfgs(rows: Rows, *, memory: int = 20) -> Solver:
    """Maximise a log likelihood of many parameters by gradients alone.

    Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization, by
    `optax.lbfgs` with its line search of strong Wolfe conditions. It knows no bounds: move
    such parameters on a scale without them, by `transforms`.

    Args:
        rows: Log probability of each observation, `(theta [p], data) -> [n]`.
        memory: Steps that are remembered.

    Returns:
        `init` and `step` of one problem.

    Example:
        >>> rows = lambda theta, data: -0.5 * (data - theta) ** 2
        >>> solver, data = lbfgs(rows), Inputs(jnp.array([1.0, 2.0]))
        >>> state = jax.jit(solver.init)(jnp.zeros(2), data)
        >>> step = jax.jit(solver.step)
        >>> for _ in range(4):
        ...     state = step(state, data)
        >>> state.theta.round(4).tolist()
        [1.0, 2.0]
    """
    tx = optax.lbfgs(memory_size=memory)

    def init(theta: Array, inputs: Inputs) -> SolverState:
        if inputs.low is not None or inputs.high is not None:
            raise ValueError(
                "solver: expected parameters without bounds for lbfgs, got bounds; use transforms "
                "such as pj.estimate.positive, or solver=pj.estimate.solvers.newton"
            )
        value, gradient = jax.value_and_grad(_value)(theta, rows, inputs)
        gradient = _free(gradient, inputs)
        fine = jnp.isfinite(value) & jnp.isfinite(gradient).all()
        code = jnp.where(fine, Outcome.UNFINISHED.code, Outcome.NONFINITE.code)
        code = jnp.where(jnp.any(gradient != 0) | ~fine, code, Outcome.CONVERGED.code)
        own = _Own(tx.init(theta), gradient, jnp.abs(gradient).max(), jnp.int32(0))
        zero = jnp.zeros((), theta.dtype)
        return SolverState(theta, value, zero, code.astype(jnp.int8), jnp.int32(0), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        after = _stepped(state, tx, rows, inputs)
        runs = state.outcome == Outcome.UNFINISHED.code
        stepped: SolverState = jax.tree.map(lambda a, b: jnp.where(runs, a, b), after, state)
        return stepped

    return Solver(init, step)


def _value(theta: Array, rows: Rows, inputs: Inputs) -> Array:
    return minus_log_likelihood(rows, theta, inputs)[0]


def _free(gradient: Array, inputs: Inputs) -> Array:
    return gradient if inputs.free is None else jnp.where(inputs.free, gradient, 0.0)


def _stepped(state: SolverState, tx: Any, rows: Rows, inputs: Inputs) -> SolverState:
    """One step of the line search, and whether it was the last."""
    own: _Own = state.own

    def objective(theta: Array) -> Array:
        moving = theta if inputs.free is None else jnp.where(inputs.free, theta, state.theta)
        return _value(moving, rows, inputs)

    updates, opt_state = tx.update(
        own.gradient,
        own.opt_state,
        state.theta,
        value=state.value,
        grad=own.gradient,
        value_fn=objective,
    )
    theta = optax.apply_updates(state.theta, updates)
    value, gradient = optax.value_and_grad_from_state(objective)(theta, state=opt_state)
    fine = jnp.isfinite(value) & jnp.isfinite(gradient).all() & (value <= state.value)
    change = state.value - value
    size = jnp.abs(state.value)
    level = jnp.where(fine & (change > _LEVEL * size), 0, own.level + 1)
    steepest = jnp.abs(jnp.where(fine, gradient, own.gradient)).max()
    ended = (level >= _PATIENCE) | (steepest == 0)
    flat = steepest <= _FLAT * own.first
    end = jnp.where(flat, Outcome.CONVERGED.code, Outcome.STUCK.code)
    code = jnp.where(ended, end, Outcome.UNFINISHED.code).astype(jnp.int8)
    kept = jax.tree.map(
        lambda new, old: jnp.where(fine, new, old),
        (theta, value, gradient),
        (state.theta, state.value, own.gradient),
    )
    # where the line search fails, its memory misleads: begin anew from the gradient
    fresh = tx.init(state.theta)
    opt_state = jax.tree.map(lambda new, old: jnp.where(fine, new, old), opt_state, fresh)
    own = _Own(opt_state, kept[2], own.first, level)
    return SolverState(kept[0], kept[1], state.damping, code, state.iterations + 1, own)
