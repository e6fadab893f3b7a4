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

_FLAT = 1e-12
"""Relative fall of the sum of squares below which it is no longer told from rounding."""
_OFFSET = 1e-6
"""Largest share of the residuals that the parameters can reach where they have converged."""
_PATIENCE = 4
"""Steps without a better point at the end."""
_LARGEST_DAMPING = 1e30
_RANK = 1e-14


class _Own(NamedTuple):
    """The linearisation: its triangle and the residuals' part that the parameters can reach."""

    triangle: Array
    reachable: Array
    scales: Array
    held: Array
    failures: Array


class _Point(NamedTuple):
    """What one evaluation finds."""

    value: Array
    triangle: Array
    reachable: Array
    norms: Array
    held: Array


def levenberg_marquardt(rows: Rows, *, loss: Loss | None = None, damping: float = 1e-3) -> Solver:
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
        fine = jnp.isfinite(point.value) & jnp.isfinite(point.triangle).all()
        code = jnp.where(fine, Outcome.UNFINISHED.code, Outcome.NONFINITE.code)
        own = _Own(point.triangle, point.reachable, point.norms, point.held, jnp.int32(0))
        start = jnp.asarray(damping, point.value.dtype)
        return SolverState(theta, point.value, start, code.astype(jnp.int8), jnp.int32(0), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        own: _Own = state.own
        moved = state.theta + _damped(own, state.damping)
        trial = _clipped(moved, inputs)
        point = _evaluate(rows, loss, trial, inputs)
        after = _decided(state, trial, point)
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


def _decided(state: SolverState, trial: Array, point: _Point) -> SolverState:
    """Take the trial or damp more; and say whether there is anything left to do."""
    own: _Own = state.own
    eps = np.finfo(trial.dtype).eps
    change = trial - state.theta
    along = own.triangle @ change
    predicted = -(own.reachable @ along) - 0.5 * (along @ along)
    fall = state.value - point.value
    finite = jnp.isfinite(point.value) & jnp.isfinite(point.triangle).all()
    ratio = jnp.where(finite, fall / jnp.where(predicted > 0, predicted, 1.0), -1.0)
    flat = jnp.abs(predicted) <= _FLAT * state.value
    level = finite & (jnp.abs(fall) <= 4 * _FLAT * state.value)
    reach, reach_after = _length(own.reachable), _length(point.reachable)
    lower = finite & (predicted > 0) & (fall > 0) & (ratio > 1e-4)
    nearer = level & (reach_after < reach)
    better = jnp.where(flat, nearer, lower)
    tiny = (jnp.abs(change) <= eps * jnp.abs(state.theta)).all()
    damping = jnp.where(
        flat,
        jnp.where(better, 0.0, state.damping * 0.0),
        jnp.where(
            ratio > 0.75,
            state.damping * 0.2,
            jnp.where(ratio < 0.25, jnp.maximum(state.damping * 4, 1e-12), state.damping),
        ),
    )
    failures = jnp.where(
        better,
        jnp.where(flat & (reach_after > 0.5 * reach), own.failures + 1, 0),
        own.failures + jnp.where(flat | tiny, 1, 0),
    )

    def pick(new: Array, old: Array) -> Array:
        return jnp.where(better, new, old)

    kept = _Own(
        pick(point.triangle, own.triangle),
        pick(point.reachable, own.reachable),
        pick(jnp.maximum(own.scales, point.norms), own.scales),
        pick(point.held, own.held),
        failures,
    )
    theta, value = pick(trial, state.theta), pick(point.value, state.value)
    iterations = state.iterations + 1
    settled = (failures >= _PATIENCE) | (_length(kept.reachable) == 0)
    stuck = damping > _LARGEST_DAMPING
    small = _length(kept.reachable) <= _OFFSET * jnp.sqrt(2 * value)
    code = jnp.where(
        settled | stuck,
        jnp.where(small | tiny | settled, _kind(kept), Outcome.STUCK.code),
        Outcome.UNFINISHED.code,
    )
    return SolverState(theta, value, damping, code.astype(jnp.int8), iterations, kept)


def _kind(own: _Own) -> Array:
    """Of convergence: plain, singular or at a bound."""
    norms = jnp.sqrt((own.triangle**2).sum(axis=0))
    scaled = own.triangle / jnp.where(norms > 0, norms, 1.0)
    singular = jnp.min(jnp.abs(jnp.diagonal(scaled))) < _RANK
    return jnp.where(singular, Outcome.SINGULAR.code, Outcome.CONVERGED.code)


def _length(vector: Array) -> Array:
    return jnp.sqrt(vector @ vector)
