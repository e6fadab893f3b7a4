"""Newton's method for minus a log likelihood, damped, with the exact Hessian."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._elimination import solve_definite
from paramjax.estimate.solvers._solver import Inputs, Rows, Solver, SolverState

_RIDGE = 1e-14
"""Least damping, relative to the curvatures: no step runs along a direction without curvature."""
_SETTLED = 1e-18
"""A step that was to raise the log likelihood by less, in nats, was the last."""
_LEVEL = 1e-13
"""Changes of the log likelihood below this share of its size are rounding."""
_LARGEST_DAMPING = 1e12


class _Own(NamedTuple):
    """The point to look at next, and the derivatives at the best point."""

    trial: Array
    gradient: Array
    hessian: Array
    decrement: Array
    size: Array


class _Point(NamedTuple):
    """What one evaluation finds; size is the sum of the rows' sizes."""

    value: Array
    gradient: Array
    hessian: Array
    size: Array


def newton(rows: Rows) -> Solver:
    r"""Maximise a log likelihood by damped steps of Newton's method.

    $$\theta' = \theta - (H + \lambda \operatorname{diag}|H|)^{-1} g$$
    with the exact gradient g and Hessian H of minus the log likelihood, and a damping that is
    zero wherever the step raises the likelihood and the matrix is positive definite, so that the
    end is quadratic; otherwise it grows until both hold (Levenberg, 1944; Nocedal and Wright,
    2006, Numerical Optimization, section 3.4). It ends where rounding hides any further rise.

    Args:
        rows: Log probability of each observation, `(theta [p], data) -> [n]`.

    Returns:
        `init` and `step` of one problem; the Hessian at the best point is `state.own.hessian`.

    Example:
        >>> rows = lambda theta, data: -0.5 * (data - theta[0]) ** 2
        >>> solver, data = newton(rows), Inputs(jnp.array([1.0, 2.0, 6.0]))
        >>> state, step = solver.init(jnp.zeros(1), data), jax.jit(solver.step)
        >>> for _ in range(4):
        ...     state = step(state, data)
        >>> state.theta.tolist(), state.own.hessian.tolist()
        ([3.0], [[3.0]])
    """

    def init(theta: Array, inputs: Inputs) -> SolverState:
        # the first step looks at the start, so that the program holds one evaluation alone
        del inputs
        zero, p = jnp.zeros((), theta.dtype), theta.size
        own = _Own(theta, jnp.zeros(p, theta.dtype), jnp.eye(p, dtype=theta.dtype), zero, zero)
        code = jnp.asarray(Outcome.UNFINISHED.code)
        return SolverState(theta, zero + jnp.inf, zero, code, jnp.int32(0), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        after = _stepped(state, _evaluate(rows, state.own.trial, inputs), inputs)
        runs = state.outcome == Outcome.UNFINISHED.code
        stepped: SolverState = jax.tree.map(lambda a, b: jnp.where(runs, a, b), after, state)
        return stepped

    return Solver(init, step)


def minus_log_likelihood(rows: Rows, theta: Array, inputs: Inputs) -> tuple[Array, Array]:
    """What is minimised, and the sum of its rows' sizes, by which rounding is judged.

    Args:
        rows: Log probability of each observation, `(theta [p], data) -> [n]`.
        theta: Where, [p].
        inputs: Data, and weights if there are any.

    Returns:
        Minus the weighted sum, [], and the weighted sum of absolute values, [].

    Example:
        >>> rows = lambda theta, data: data * theta[0]
        >>> inputs = Inputs(jnp.array([1.0, -3.0]), weights=jnp.array([1.0, 2.0]))
        >>> [float(value) for value in minus_log_likelihood(rows, jnp.ones(1), inputs)]
        [5.0, 7.0]
    """
    logs = rows(theta, inputs.data)
    if inputs.weights is not None:
        logs = jnp.where(inputs.weights > 0, inputs.weights * logs, 0.0)
    return -logs.sum(), jnp.abs(logs).sum()


def _evaluate(rows: Rows, theta: Array, inputs: Inputs) -> _Point:
    """Minus the log likelihood with its derivatives, forward over reverse."""

    def objective(at: Array) -> tuple[Array, Array]:
        return minus_log_likelihood(rows, at, inputs)

    def slope(at: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        (value, size), gradient = jax.value_and_grad(objective, has_aux=True)(at)
        return gradient, (value, gradient, size)

    hessian, (value, gradient, size) = jax.jacfwd(slope, has_aux=True)(theta)
    return _Point(value, gradient, (hessian + hessian.T) / 2, size)


def _stepped(state: SolverState, point: _Point, inputs: Inputs) -> SolverState:
    """Take the point that was looked at or damp more, and choose the next."""
    own: _Own = state.own
    better = _is_better(state, point)

    def pick(new: Array, old: Array) -> Array:
        return jnp.where(better, new, old)

    theta, value = pick(own.trial, state.theta), pick(point.value, state.value)
    gradient, hessian = pick(point.gradient, own.gradient), pick(point.hessian, own.hessian)
    size = pick(point.size, own.size)
    smaller = jnp.where(state.damping > 1e-8, state.damping / 10, 0.0)
    damping = pick(smaller, jnp.maximum(10 * state.damping, 1e-3))
    held, bound = _held(theta, gradient, inputs)
    change, definite = _step(gradient, hessian, held, damping)
    trial = _clipped(theta + change, inputs)
    decrement = jnp.where(jnp.any(change != 0.0), -(gradient @ change), jnp.inf)
    flat = jnp.abs(own.decrement) <= jnp.where(better, _SETTLED, _LEVEL * size)
    still = jnp.where(held, 0.0, gradient) == 0.0
    reach = (gradient**2 / _scales(hessian) ** 2 * ~held).sum()
    started = state.iterations > 0
    settled = (started & flat & (state.damping <= 1e-3)) | still.all()
    given_up = damping > _LARGEST_DAMPING
    end = jnp.where(definite, Outcome.CONVERGED.code, Outcome.SINGULAR.code)
    end = jnp.where(bound & definite, Outcome.AT_BOUND.code, end)
    stuck = jnp.where(jnp.isfinite(point.value), Outcome.STUCK.code, Outcome.NONFINITE.code)
    end = jnp.where(settled | (reach <= _LEVEL * size), end, stuck)
    code = jnp.where(settled | given_up, end, Outcome.UNFINISHED.code)
    code = jnp.where(started | better, code, Outcome.NONFINITE.code)
    own = _Own(trial, gradient, hessian, decrement, size)
    iterations = state.iterations + 1
    return SolverState(theta, value, damping, code.astype(jnp.int8), iterations, own)


def _is_better(state: SolverState, point: _Point) -> Array:
    """Whether it is higher, or as high to rounding and flatter."""
    own: _Own = state.own
    finite = jnp.isfinite(point.value) & jnp.isfinite(point.hessian).all()
    finite &= jnp.isfinite(point.gradient).all()
    level = point.value <= state.value + _LEVEL * own.size
    scales = _scales(own.hessian)
    flatter = ((point.gradient / scales) ** 2).sum() < ((own.gradient / scales) ** 2).sum()
    return finite & ((point.value < state.value) | (level & flatter))


def _step(gradient: Array, hessian: Array, held: Array, damping: Array) -> tuple[Array, Array]:
    """The damped step of Newton's method, and whether the Hessian itself is definite."""
    scales = _scales(hessian)
    unit = jnp.eye(gradient.size, dtype=gradient.dtype)
    scaled = jnp.where(held[:, None] | held[None], unit, hessian / jnp.outer(scales, scales))
    right = jnp.where(held, 0.0, gradient / scales)
    solved, pivot = solve_definite(scaled + jnp.maximum(damping, _RIDGE) * unit, right)
    change = jnp.where(pivot > 0, -solved / scales, jnp.nan)
    definite = pivot > 10 * _RIDGE  # false where it is nan
    return jnp.where(jnp.isfinite(change).all(), change, 0.0), definite


def _scales(hessian: Array) -> Array:
    """Roots of the curvatures; 1 where there is none."""
    curvatures = jnp.abs(jnp.diagonal(hessian))
    return jnp.sqrt(jnp.where(curvatures > 0, curvatures, 1.0))


def _held(theta: Array, gradient: Array, inputs: Inputs) -> tuple[Array, Array]:
    """Which parameters may not move, and whether a bound holds any."""
    bound = jnp.zeros(theta.shape, bool)
    if inputs.low is not None:
        bound |= (theta <= inputs.low) & (gradient >= 0)
    if inputs.high is not None:
        bound |= (theta >= inputs.high) & (gradient <= 0)
    held = bound if inputs.free is None else bound | ~inputs.free
    return held, bound.any()


def _clipped(theta: Array, inputs: Inputs) -> Array:
    if inputs.low is not None:
        theta = jnp.maximum(theta, inputs.low)
    return theta if inputs.high is None else jnp.minimum(theta, inputs.high)
