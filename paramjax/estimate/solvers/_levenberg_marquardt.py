"""The damped Gauss-Newton method of Levenberg and Marquardt, by QR, to the last digits.

One step costs one evaluation of the rows and of their Jacobian. It is damped while it lowers the
sum of squares; where that has become flat to the precision of its numbers, steps go on, undamped,
as long as they lower the part of the residuals that the parameters can still reach, which is
linear in the distance to the solution and so known to twice as many digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._solver import Inputs, Rows, Solver, SolverState

Loss = Callable[[Array], Array]
"""A robust loss: what a squared residual counts, elementwise."""

_FLAT = 4096.0
"""Relative fall of the sum of squares, in units of rounding, that is not told from none."""
_SLOW = 0.97
"""Share of what could be reached that is left by a step at the end that helped too little."""
_PATIENCE = 4
"""Steps at the end that do not help, until it ends."""
_NEAR = 1e-4
"""Share of the residuals that the parameters can reach where they have converged."""
_RANK = 64.0
"""Length of a column beside those before it, in units of rounding, that is none."""
_DAMPED = 1e40
"""Damping that leaves no step, where a parameter is zero and so no step is small beside it."""
_FADING = 0.9
"""How fast a scale forgets a column that was longer: at once, and parameters run away."""


class _Own(NamedTuple):
    """The linearisation at the best point."""

    triangle: Array
    """R of the Jacobian's QR, without what is held, [p, p]."""
    reachable: Array
    """The residuals' part in the span of its columns, [p]."""
    norms: Array
    """Lengths of the Jacobian's columns, [p]."""
    held: Array
    """Parameters that may not move from there, bool[p]."""
    scales: Array
    """What their damping is relative to, [p]."""
    failures: Array
    """Steps at the end that did not help, int32[]."""


class _Point(NamedTuple):
    """What one evaluation finds."""

    value: Array
    triangle: Array
    reachable: Array
    norms: Array
    held: Array


def levenberg_marquardt(rows: Rows, *, loss: Loss | None = None, damping: float = 100.0) -> Solver:
    """Solve a problem of least squares, with bounds, held parameters and robust losses.

    Levenberg (1944), "A method for the solution of certain non-linear problems in least
    squares"; Marquardt (1963); the columns are scaled as More (1978) does.

    Args:
        rows: The residuals, `(theta [p], data) -> [n]`.
        loss: What a squared residual counts; None counts it as it is.
        damping: Of the first step, relative to the squared lengths of the Jacobian's columns.

    Returns:
        `init` and `step` of one problem.
    """

    def init(theta: Array, inputs: Inputs) -> SolverState:
        point = _evaluate(rows, loss, theta, inputs)
        code = jnp.where(_finite(point), Outcome.UNFINISHED.code, Outcome.NONFINITE.code)
        scales = point.norms
        own = _Own(point.triangle, point.reachable, point.norms, point.held, scales, jnp.int32(0))
        start = jnp.asarray(damping, point.value.dtype)
        return SolverState(theta, point.value, start, code.astype(jnp.int8), jnp.int32(0), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        trial = _clipped(state.theta + _damped(state.own, state.damping), inputs)
        point = _evaluate(rows, loss, trial, inputs)
        after = _decided(state, trial, point, inputs)
        running = state.outcome == Outcome.UNFINISHED.code
        kept: SolverState = jax.tree.map(partial(jnp.where, running), after, state)
        return kept

    return Solver(init, step)


def _clipped(theta: Array, inputs: Inputs) -> Array:
    if inputs.low is not None:
        theta = jnp.maximum(theta, inputs.low)
    return theta if inputs.high is None else jnp.minimum(theta, inputs.high)


def linearised(rows: Rows, theta: Array, inputs: Inputs) -> tuple[Array, Array]:
    """Residuals with their offset [n], and their Jacobian [n, p]."""
    residuals, push = jax.linearize(lambda t: rows(t, inputs.data), theta)
    jacobian = jax.vmap(push, out_axes=1)(jnp.eye(theta.size, dtype=theta.dtype))
    return residuals if inputs.offset is None else residuals + inputs.offset, jacobian


def _evaluate(rows: Rows, loss: Loss | None, theta: Array, inputs: Inputs) -> _Point:
    """The objective and the triangle of the weighted Jacobian, without what is held."""
    residuals, jacobian = linearised(rows, theta, inputs)
    residuals, jacobian, value = _weighted(residuals, jacobian, inputs.weights, loss)
    norms = jnp.sqrt((jacobian**2).sum(axis=0))
    held = _held(theta, jacobian.T @ residuals, inputs) | (norms == 0)
    # a held column is the unit vector of a row of its own: it takes no part, and R stays regular
    table = jnp.concatenate([jnp.where(held, 0.0, jacobian), residuals[:, None]], axis=1)
    extra = jnp.eye(theta.size, theta.size + 1, dtype=theta.dtype) * held[:, None]
    factor = jnp.linalg.qr(jnp.concatenate([table, extra]), mode="r")
    p = theta.size
    return _Point(value, factor[:p, :p], factor[:p, p], norms, held)


def _weighted(
    residuals: Array, jacobian: Array, weights: Array | None, loss: Loss | None
) -> tuple[Array, Array, Array]:
    """Residuals and Jacobian as those of an ordinary sum of squares, and half the sum."""
    if weights is not None:
        counts = weights > 0
        root = jnp.sqrt(weights)
        residuals = jnp.where(counts, root * residuals, 0.0)
        jacobian = jnp.where(counts[:, None], root[:, None] * jacobian, 0.0)
    if loss is None:
        return residuals, jacobian, 0.5 * (residuals**2).sum()
    plain = residuals if weights is None else jnp.where(counts, residuals / root, 0.0)
    squared = plain**2
    slope_of = lambda z: jax.jvp(loss, (z,), (jnp.ones_like(z),))[1]  # noqa: E731
    slope, curvature = jax.jvp(slope_of, (squared,), (jnp.ones_like(squared),))
    rho = loss(squared)
    value = 0.5 * (rho if weights is None else jnp.where(counts, weights * rho, 0.0)).sum()
    # the Hessian of the loss where it is positive enough, else a share of that of reweighting
    bend = jnp.maximum(slope + 2 * curvature * squared, 0.1 * slope)
    safe = jnp.where(bend > 0, bend, 1.0)
    return (
        jnp.where(bend > 0, slope / jnp.sqrt(safe), 0.0) * residuals,
        jnp.sqrt(jnp.where(bend > 0, bend, 0.0))[:, None] * jacobian,
        value,
    )


def _held(theta: Array, gradient: Array, inputs: Inputs) -> Array:
    """Parameters that may not move, or that a bound holds against a descent."""
    held = jnp.zeros(theta.shape, bool)
    if inputs.free is not None:
        held = held | ~inputs.free
    if inputs.low is not None:
        held = held | ((theta <= inputs.low) & (gradient >= 0))
    if inputs.high is not None:
        held = held | ((theta >= inputs.high) & (gradient <= 0))
    return held


def _damped(own: _Own, damping: Array) -> Array:
    """The step that minimises the linearised sum of squares plus the damping."""
    p = own.reachable.size
    root = jnp.sqrt(damping) * jnp.where(own.held, 0.0, own.scales)
    table = jnp.concatenate([own.triangle, own.reachable[:, None]], axis=1)
    extra = jnp.eye(p, p + 1, dtype=root.dtype) * root[:, None]
    factor = jnp.linalg.qr(jnp.concatenate([table, extra]), mode="r")
    diagonal = jnp.diagonal(factor)[:p]
    safe = factor[:p, :p] + jnp.diag(jnp.where(diagonal == 0, jnp.inf, 0.0))
    solved = jax.scipy.linalg.solve_triangular(safe, -factor[:p, p])
    return jnp.where(own.held, 0.0, solved)


def _decided(state: SolverState, trial: Array, point: _Point, inputs: Inputs) -> SolverState:
    """Take the trial or damp more; and say whether there is anything left to do."""
    own: _Own = state.own
    eps = np.finfo(trial.dtype).eps
    change = trial - state.theta
    along = own.triangle @ change
    predicted = -(own.reachable @ along) - 0.5 * (along @ along)
    fall = jnp.where(_finite(point), state.value - point.value, -jnp.inf)
    ratio = jnp.where(predicted > 0, fall / jnp.where(predicted > 0, predicted, 1.0), -1.0)
    reach, reach_after = _reach(own), _reach(point)
    rounding = _FLAT * eps * state.value + _rounding(own, state.theta) * _root(state.value)
    flat = 0.5 * reach**2 <= rounding
    better = jnp.where(
        flat, (jnp.abs(fall) <= 4 * rounding) & (reach_after < reach), (fall > 0) & (ratio > 1e-4)
    )
    slow = flat & (~better | (reach_after > _SLOW * reach))
    failures = own.failures + jnp.where(slow, 1, 0)
    scales = jnp.maximum(_FADING * own.scales, point.norms)
    taken = _taken(
        better, (trial, point.value, *point[1:], scales), (state.theta, state.value, *own[:-1])
    )
    theta, value, triangle, reachable, norms, held, scales = taken
    kept = _Own(triangle, reachable, norms, held, scales, failures)
    tiny = ~better & (jnp.abs(change) <= eps * jnp.abs(state.theta)).all()
    ended = (failures >= _PATIENCE) | tiny | (state.damping > _DAMPED)
    code = jnp.where(ended, _kind(kept, theta, value, inputs), Outcome.UNFINISHED.code)
    damping = jnp.where(flat, 0.0, _damping(state.damping, ratio))
    return SolverState(theta, value, damping, code.astype(jnp.int8), state.iterations + 1, kept)


def _taken(better: Array, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(jnp.where(better, n, o) for n, o in zip(new, old, strict=True))


def _finite(point: _Point) -> Array:
    return jnp.isfinite(point.value) & jnp.isfinite(point.triangle).all()


def _damping(damping: Array, ratio: Array) -> Array:
    """Less where the linearisation holds, more where it does not."""
    more = 4.0 * jnp.maximum(damping, 1e-20)
    return jnp.where(ratio > 0.75, 0.2 * damping, jnp.where(ratio < 0.25, more, damping))


def _regular(point: _Own | _Point) -> Array:
    """Whose columns are not combinations of those before, bool[p]."""
    rounding = _RANK * np.finfo(point.norms.dtype).eps * point.norms
    regular: Array = point.held | (jnp.abs(jnp.diagonal(point.triangle)) > rounding)
    return regular


def _reach(point: _Own | _Point) -> Array:
    """Length of the part of the residuals that the parameters can still reach."""
    return _length(jnp.where(_regular(point), point.reachable, 0.0))


def _rounding(own: _Own, theta: Array) -> Array:
    """Rounding of the residuals, by that of what the parameters contribute to them."""
    rounding: Array = 8 * np.finfo(theta.dtype).eps * _length(own.norms * theta)
    return rounding


def _root(value: Array) -> Array:
    """Length of the residuals."""
    return jnp.sqrt(2 * value)


def _kind(own: _Own, theta: Array, value: Array, inputs: Inputs) -> Array:
    """How it ended where no step helps any more."""
    converged = _reach(own) <= _NEAR * _root(value) + _rounding(own, theta)
    absent = own.norms == 0
    if inputs.free is not None:
        absent = absent & inputs.free
    code = jnp.where(_at_bound(theta, inputs), Outcome.AT_BOUND.code, Outcome.CONVERGED.code)
    code = jnp.where(_regular(own).all() & ~absent.any(), code, Outcome.SINGULAR.code)
    return jnp.where(converged, code, Outcome.STUCK.code)


def _at_bound(theta: Array, inputs: Inputs) -> Array:
    at = jnp.zeros((), bool)
    if inputs.low is not None:
        at = at | (theta <= inputs.low).any()
    if inputs.high is not None:
        at = at | (theta >= inputs.high).any()
    return at


def _length(vector: Array) -> Array:
    return jnp.sqrt(vector @ vector)
