"""Least squares with few parameters: normal equations, solved without a call of LAPACK.

Made to run by the thousand: everything is a number of one problem, so that XLA runs each line
over all problems at once, and one pass over the rows gives the residuals, their derivatives and
every sum of the normal equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, PyTree
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._solver import Inputs, Solver, SolverState

MOST_PARAMETERS = 12
"""More make normal equations that are larger than a program should unroll."""

_FIRST_DAMPING = 1.0
_LEAST_DAMPING = 1e-12
_MOST_DAMPING = 1e12
_LIGHT_DAMPING = 1e-2
"""Only a step that is damped less shows how far the solution is."""

_VANISHED = 1e-8
"""A column's squared length over its largest one."""

_Numbers = tuple[Array, ...]
_Rows = Callable[[_Numbers, PyTree], Array]


class Normal(NamedTuple):
    """Sums over the rows at one point: J'J (its lower triangle by rows), J'r and r'r / 2."""

    matrix: _Numbers
    gradient: _Numbers
    value: Array


class _Own(NamedTuple):
    """Where the next step evaluates, the sums at the best point, and how the last step went."""

    trial: _Numbers
    normal: Normal
    scale: _Numbers
    predicted: Array
    length: Array
    ratio: Array


class _Move(NamedTuple):
    """A step from the best point, how long it is and by how much it should lower the value."""

    step: _Numbers
    length: Array
    predicted: Array


def small_levenberg_marquardt(rows: _Rows, size: int) -> Solver:
    """Levenberg and Marquardt's method on the normal equations of few parameters.

    Each step evaluates the rows once, at the point that the step before chose. The fixed point
    is that of a solver by QR; what normal equations cannot finish, another solver must.
    Columns are scaled as Moré (1978) does.

    Args:
        rows: Residuals `(theta, data) -> [n]`; theta comes as a tuple of p numbers.
        size: How many parameters, p.

    Returns:
        The solver.
    """

    def init(theta: Array, inputs: Inputs) -> SolverState:
        zero = jnp.zeros((), theta.dtype)
        triangle = (zero,) * (size * (size + 1) // 2)
        unknown = Normal(triangle, triangle[:size], zero + jnp.inf)
        start = tuple(theta[k] for k in range(size))
        own = _Own(start, unknown, triangle[:size], zero + jnp.inf, zero, zero + jnp.inf)
        code = jnp.asarray(Outcome.UNFINISHED.code)
        return SolverState(theta, unknown.value, zero + _FIRST_DAMPING, code, jnp.int32(0), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        tried = normal_equations(rows, state.own.trial, inputs)
        return _decided(state, tried, inputs)

    return Solver(init, step)


def normal_equations(rows: _Rows, theta: Sequence[Array], inputs: Inputs) -> Normal:
    """One pass over the rows; each derivative goes through the one number it is taken by."""

    def residuals(numbers: _Numbers) -> Array:
        r = rows(numbers, inputs.data)
        r = r if inputs.offset is None else r + inputs.offset
        return r if inputs.weights is None else jnp.where(inputs.weights > 0, r, 0.0)

    numbers = tuple(theta)
    r = residuals(numbers)
    columns = [_derivative(residuals, numbers, k) for k in range(len(numbers))]
    return Normal(
        *jax.lax.platform_dependent(r, columns, inputs.weights, cpu=_by_products, default=_by_sums)
    )


def _by_sums(r: Array, columns: list[Array], weights: Array | None) -> tuple[Any, ...]:
    """Every sum in one pass, with the rows in registers, as an accelerator likes it."""
    weighted = [c if weights is None else weights * c for c in (*columns, r)]
    matrix = [jnp.sum(weighted[i] * columns[j]) for i in range(len(columns)) for j in range(i + 1)]
    gradient = [jnp.sum(column * r) for column in weighted[:-1]]
    return tuple(matrix), tuple(gradient), 0.5 * jnp.sum(weighted[-1] * r)


def _by_products(r: Array, columns: list[Array], weights: Array | None) -> tuple[Any, ...]:
    """Products of rows that lie in the cache; the barrier keeps XLA from forming them anew.

    Without it, exp(a) * exp(a) becomes a second exp(a + a), and a quarter of the time is lost.
    """
    r, columns = jax.lax.optimization_barrier((r, columns))  # type: ignore[no-untyped-call]
    weighted = [c if weights is None else weights * c for c in (*columns, r)]
    matrix = [jnp.dot(weighted[i], columns[j]) for i in range(len(columns)) for j in range(i + 1)]
    gradient = [jnp.dot(column, r) for column in weighted[:-1]]
    return tuple(matrix), tuple(gradient), 0.5 * jnp.dot(weighted[-1], r)


def information_of(state: SolverState) -> Array:
    """J'J where the last step began, its lower triangle by rows, [p(p+1)/2]."""
    own: _Own = state.own
    return jnp.stack(own.normal.matrix)


def _derivative(function: Callable[[_Numbers], Array], numbers: _Numbers, k: int) -> Array:
    def along(number: Array) -> Array:
        return function((*numbers[:k], number, *numbers[k + 1 :]))

    tangent: Array = jax.jvp(along, (numbers[k],), (jnp.ones_like(numbers[k]),))[1]
    return tangent


def _decided(state: SolverState, tried: Normal, inputs: Inputs) -> SolverState:
    """Keep the better of two points, choose the next one, and say whether that is the last."""
    own: _Own = state.own
    size, eps = len(own.trial), float(np.finfo(state.theta.dtype).eps)
    finite = jnp.isfinite(tried.value + sum(tried.matrix[_at(k, k)] for k in range(size)))
    better = finite & (tried.value <= own.normal.value * (1 + 4 * eps))
    theta = tuple(jnp.where(better, own.trial[k], state.theta[k]) for k in range(size))
    normal: Normal = jax.tree.map(lambda new, old: jnp.where(better, new, old), tried, own.normal)
    gain = (own.normal.value - tried.value) / own.predicted
    damping = _next_damping(state.damping, better, gain)
    scale = tuple(jnp.maximum(own.scale[k], normal.matrix[_at(k, k)]) for k in range(size))
    move = _move(theta, normal, scale, damping, inputs)
    ratio = jnp.where(better, move.length / own.length, own.ratio)
    arrived = _left(move, ratio) <= _near(theta, normal, eps)
    arrived &= damping < _LIGHT_DAMPING
    trial = tuple(t + step for t, step in zip(theta, move.step, strict=True))
    last = tuple(jnp.where(arrived, new, old) for new, old in zip(trial, theta, strict=True))
    return SolverState(
        jnp.stack(last),
        jnp.where(arrived, normal.value - move.predicted, normal.value),
        damping,
        _outcome(state.outcome, arrived, damping, normal, scale),
        state.iterations + 1,
        _Own(
            trial, normal, scale, move.predicted, jnp.where(better, move.length, own.length), ratio
        ),
    )


def _next_damping(damping: Array, better: Array, gain: Array) -> Array:
    """Less of it the better the sums foretold the gain, more of it where there was none."""
    good = jnp.where(gain > 0.9, 1e-2, jnp.where(gain > 0.75, 0.1, 0.5))
    factor = jnp.where(gain < 0.25, 2.0, good)
    return jnp.maximum(damping * jnp.where(better, factor, 8.0), _LEAST_DAMPING)


def _move(
    theta: _Numbers, normal: Normal, scale: _Numbers, damping: Array, inputs: Inputs
) -> _Move:
    """The damped step of the parameters that may move, and what it should bring."""
    damped, right = list(normal.matrix), list(normal.gradient)
    for k, size in enumerate(scale):
        diagonal = normal.matrix[_at(k, k)] + damping * size
        damped[_at(k, k)] = jnp.where(diagonal > 0, diagonal, 1.0)
    held = _held(theta, normal.gradient, inputs)
    if held is not None:
        _hold(damped, right, held)
    step = [-s for s in ldl_solve(damped, right)]
    if inputs.low is not None or inputs.high is not None:
        step = [
            _clipped(t + s, inputs, k) - t for k, (t, s) in enumerate(zip(theta, step, strict=True))
        ]
    curved = _quadratic(normal.matrix, step)
    slope = sum(g * s for g, s in zip(normal.gradient, step, strict=True))
    return _Move(tuple(step), jnp.sqrt(curved), -(slope + 0.5 * curved))


def _held(theta: _Numbers, gradient: _Numbers, inputs: Inputs) -> list[Array] | None:
    """Parameters that may not move, or that a bound holds against a descent."""
    if inputs.free is None and inputs.low is None and inputs.high is None:
        return None
    held = [
        jnp.zeros((), bool) if inputs.free is None else ~inputs.free[k].astype(bool)
        for k in range(len(theta))
    ]
    for k, (t, g) in enumerate(zip(theta, gradient, strict=True)):
        if inputs.low is not None:
            held[k] |= (t <= inputs.low[k]) & (g >= 0)
        if inputs.high is not None:
            held[k] |= (t >= inputs.high[k]) & (g <= 0)
    return held


def _hold(matrix: list[Array], right: list[Array], held: list[Array]) -> None:
    """Take the held parameters out of the equations."""
    for i in range(len(held)):
        right[i] = jnp.where(held[i], 0.0, right[i])
        matrix[_at(i, i)] = jnp.where(held[i], 1.0, matrix[_at(i, i)])
        for j in range(i):
            matrix[_at(i, j)] = jnp.where(held[i] | held[j], 0.0, matrix[_at(i, j)])


def _clipped(number: Array, inputs: Inputs, k: int) -> Array:
    if inputs.low is not None:
        number = jnp.maximum(number, inputs.low[k])
    return number if inputs.high is None else jnp.minimum(number, inputs.high[k])


def _left(move: _Move, ratio: Array) -> Array:
    """What is left after a move, where each is `ratio` times as long as the one before."""
    return move.length * jnp.where(ratio < 0.3, ratio, 1.0)


def _near(theta: _Numbers, normal: Normal, eps: float) -> Array:
    """Of no matter: a small share of the residuals, or the rounding of the curve itself."""
    size = sum(normal.matrix[_at(k, k)] * t**2 for k, t in enumerate(theta))
    near: Array = 0.02 * eps**0.5 * jnp.sqrt(2 * normal.value) + 8 * eps * jnp.sqrt(size)
    return near


def _outcome(code: Array, arrived: Array, damping: Array, normal: Normal, scale: _Numbers) -> Array:
    """Converged, unless a column has all but vanished: then it ran to where nothing changes."""
    lost = jnp.zeros((), bool)
    for k, size in enumerate(scale):
        lost |= normal.matrix[_at(k, k)] < _VANISHED * size
    code = jnp.where(damping > _MOST_DAMPING, Outcome.STUCK.code, code)
    code = jnp.where(arrived, jnp.where(lost, Outcome.STUCK.code, Outcome.CONVERGED.code), code)
    return jnp.where(jnp.isfinite(normal.value), code, Outcome.NONFINITE.code)


def _at(i: int, j: int) -> int:
    """Where an entry of a lower triangle lies, row by row."""
    return i * (i + 1) // 2 + j


def _quadratic(matrix: Sequence[Array], vector: Sequence[Array]) -> Array:
    """Vector' matrix vector."""
    parts = [
        own * (matrix[_at(i, i)] * own + 2 * _sum(matrix[_at(i, j)] * vector[j] for j in range(i)))
        for i, own in enumerate(vector)
    ]
    total: Array = _sum(parts)
    return total


def _sum(parts: Any) -> Any:
    return sum(parts, 0.0)


def ldl(matrix: Sequence[Any], size: int) -> tuple[dict[tuple[int, int], Any], list[Any]]:
    """L below its diagonal and D of L D L' of a lower triangle, numbers or arrays of them."""
    lower: dict[tuple[int, int], Any] = {}
    pivots: list[Any] = []
    for i in range(size):
        scaled: list[Any] = []
        for j in range(i):
            scaled.append(matrix[_at(i, j)] - _sum(scaled[k] * lower[j, k] for k in range(j)))
        for j in range(i):
            lower[i, j] = scaled[j] / pivots[j]
        pivots.append(matrix[_at(i, i)] - _sum(scaled[k] * lower[i, k] for k in range(i)))
    return lower, pivots


def ldl_solve(matrix: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    """Solve a system with a positive definite lower triangle, numbers or arrays of them."""
    lower, pivots = ldl(matrix, len(right))
    found: list[Any] = []
    for i, side in enumerate(right):
        found.append(side - _sum(lower[i, k] * found[k] for k in range(i)))
    found = [one / pivot for one, pivot in zip(found, pivots, strict=True)]
    for i in reversed(range(len(found))):
        found[i] = found[i] - _sum(lower[k, i] * found[k] for k in range(i + 1, len(found)))
    return found
