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
from paramjax.estimate.solvers._elimination import solve_upper, triangle
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
_FAINT = 1e-6
"""What a parameter must contribute, beside the one that contributes most, to be damped alone."""
_FADING = 0.9
"""How fast a scale forgets a column that was longer: at once, and parameters run away."""


class _Linear(NamedTuple):
    """The linearisation at a point, in one array, for each array costs a kernel to compile."""

    table: Array
    """R of the Jacobian's QR without what is held [p, p], and below it four rows [p]."""

    @property
    def triangle(self) -> Array:
        """R, [p, p]."""
        return self.table[:-4]

    @property
    def reachable(self) -> Array:
        """The residuals' part in the span of the columns, [p]."""
        return self.table[-4]

    @property
    def norms(self) -> Array:
        """Lengths of the Jacobian's columns, [p]."""
        return self.table[-3]

    @property
    def held(self) -> Array:
        """Parameters that may not move from there, bool[p]."""
        return self.table[-2] > 0

    @property
    def scales(self) -> Array:
        """What the damping is relative to, [p]."""
        return self.table[-1]

    @property
    def regular(self) -> Array:
        """Whose columns are not combinations of those before, bool[p]."""
        rounding = _RANK * np.finfo(self.table.dtype).eps * self.norms
        regular: Array = self.held | (jnp.abs(jnp.diagonal(self.triangle)) > rounding)
        return regular

    @property
    def reaches(self) -> Array:
        """Squares of what the columns reach of the residuals, [p].

        Where some are combinations of others, the directions of R are partly rounding: there
        the share of each column by itself.
        """
        alone = (self.reachable @ self.triangle) / jnp.where(self.norms > 0, self.norms, 1.0)
        return jnp.where(self.regular.all(), self.reachable, alone) ** 2


class _Own(NamedTuple):
    """What the solver carries."""

    linear: _Linear
    failures: Array
    """Steps at the end that did not help, int32[]."""


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
        # nothing is evaluated yet: from an infinite value the first step goes to the start itself,
        # so that the rows are compiled once
        p = theta.size
        nothing = jnp.zeros((p + 4, p), theta.dtype).at[p + 2].set(1.0)
        own = _Own(_Linear(nothing), jnp.int32(0))
        value, start = jnp.asarray(jnp.inf, theta.dtype), jnp.asarray(damping, theta.dtype)
        code = jnp.int8(Outcome.UNFINISHED.code)
        return SolverState(theta, value, start, code, jnp.int32(-1), own)

    def step(state: SolverState, inputs: Inputs) -> SolverState:
        linear = state.own.linear
        trial = _clipped(state.theta + _damped(linear, state.damping), inputs)
        value, found = _evaluate(rows, loss, trial, inputs, linear.scales)
        after = _decided(state, trial, value, found, inputs)
        running = state.outcome == Outcome.UNFINISHED.code
        kept: SolverState = jax.tree.map(partial(jnp.where, running), after, state)
        return kept

    return Solver(init, step)


def _clipped(theta: Array, inputs: Inputs) -> Array:
    if inputs.low is not None:
        theta = jnp.maximum(theta, inputs.low)
    return theta if inputs.high is None else jnp.minimum(theta, inputs.high)


def factors_of(state: SolverState) -> Array:
    """R of the Jacobian's QR, row by row, and the lengths of its columns, [p * p + p]."""
    linear: _Linear = state.own.linear
    return jnp.concatenate([linear.triangle.ravel(), linear.norms])


def linearised(rows: Rows, theta: Array, inputs: Inputs) -> tuple[Array, Array]:
    """Residuals with their offset [n], and their Jacobian [n, p]."""
    residuals, push = jax.linearize(lambda t: rows(t, inputs.data), theta)
    jacobian = jax.vmap(push, out_axes=1)(jnp.eye(theta.size, dtype=theta.dtype))
    return residuals if inputs.offset is None else residuals + inputs.offset, jacobian


def _evaluate(
    rows: Rows, loss: Loss | None, theta: Array, inputs: Inputs, scales: Array
) -> tuple[Array, _Linear]:
    """The objective and its linearisation."""
    residuals, jacobian = linearised(rows, theta, inputs)
    residuals, jacobian, value = _weighted(residuals, jacobian, inputs.weights, loss)
    table = jnp.concatenate([jacobian, residuals[:, None]], axis=1)
    norms = jnp.sqrt((jacobian**2).sum(axis=0))
    held = _held(theta, residuals @ jacobian, inputs) | (norms == 0)
    # a held column is the unit vector of a row of its own: it takes no part, and R stays regular
    p = theta.size
    extra = jnp.eye(p, p + 1, dtype=theta.dtype) * held[:, None]
    table = jnp.where(jnp.append(held, False), 0.0, table)
    factor = triangle(jnp.concatenate([table, extra]), p)
    scales = jnp.maximum(jnp.maximum(_FADING * scales, norms), _least(theta, norms))
    below = (factor[:, p], norms, held.astype(theta.dtype), scales)
    return value, _Linear(jnp.concatenate([factor[:, :p], jnp.stack(below)]))


def _least(theta: Array, norms: Array) -> Array:
    """Scales of parameters that hardly matter, lest they run away before the others have moved."""
    size = jnp.abs(theta)
    return jnp.where(size > 0, _FAINT * (norms * size).max() / jnp.where(size > 0, size, 1.0), 0.0)


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


def _damped(linear: _Linear, damping: Array) -> Array:
    """The step that minimises the linearised sum of squares plus the damping."""
    p, held = linear.norms.size, linear.held
    root = jnp.sqrt(damping) * jnp.where(held, 0.0, linear.scales)
    table = jnp.concatenate([linear.triangle, linear.reachable[:, None]], axis=1)
    extra = jnp.eye(p, p + 1, dtype=root.dtype) * root[:, None]
    factor = triangle(jnp.concatenate([table, extra]), p)
    # an empty column has no step
    safe = factor[:, :p] + jnp.diag(jnp.where(jnp.diagonal(factor) == 0, jnp.inf, 0.0))
    solved = solve_upper(safe, -factor[:, p])
    return jnp.where(held, 0.0, solved)


def _decided(
    state: SolverState, trial: Array, value: Array, found: _Linear, inputs: Inputs
) -> SolverState:
    """Take the trial or damp more; and say whether there is anything left to do."""
    own: _Own = state.own
    linear, eps = own.linear, np.finfo(trial.dtype).eps
    first = jnp.isinf(state.value)
    change = trial - state.theta
    along = linear.triangle @ change
    sums = _sums(
        -along * (linear.reachable + 0.5 * along),
        linear.reaches,
        found.reaches,
        (linear.norms * state.theta) ** 2,
        jnp.abs(change) > eps * jnp.abs(state.theta),
    )
    predicted, reach, reach_after, size, moved = sums
    finite = jnp.isfinite(value) & jnp.isfinite(found.table).all()
    fall = jnp.where(finite, state.value - value, -jnp.inf)
    ratio = jnp.where(predicted > 0, fall / jnp.where(predicted > 0, predicted, 1.0), -1.0)
    noise = 8 * eps * jnp.sqrt(size)  # of the residuals, by what the parameters contribute
    rounding = _FLAT * eps * state.value + noise * jnp.sqrt(2 * state.value)
    flat = ~first & (0.5 * reach <= rounding)
    nearer = (jnp.abs(fall) <= 4 * rounding) & (reach_after < reach)
    better = jnp.where(flat, nearer, first & finite | (fall > 0) & (ratio > 1e-4))
    failures = own.failures + (flat & ~(better & (reach_after <= _SLOW**2 * reach)))
    ended = (failures >= _PATIENCE) | ~better & (moved == 0) | (state.damping > _DAMPED)
    # where the last steps do not help, what is known of the best point says how it ended
    near = jnp.sqrt(reach) <= _NEAR * jnp.sqrt(2 * state.value) + noise
    kind = jnp.where(near, _kind(linear, state.theta, inputs), Outcome.STUCK.code)
    code = jnp.where(ended, kind, Outcome.UNFINISHED.code)
    code = jnp.where(first, jnp.where(finite, 0, Outcome.NONFINITE.code), code)
    damping = jnp.where(flat, 0.0, _damping(state.damping, jnp.where(first, 0.5, ratio)))
    return SolverState(
        jnp.where(better, trial, state.theta),
        jnp.where(better, value, jnp.where(first, value, state.value)),
        damping,
        code.astype(jnp.int8),
        state.iterations + 1,
        _Own(_Linear(jnp.where(better, found.table, linear.table)), failures),
    )


def _sums(*rows: Array) -> Array:
    """Their sums by one kernel."""
    dtype = rows[0].dtype
    return jnp.stack([row.astype(dtype) for row in rows]).sum(axis=1)


def _damping(damping: Array, ratio: Array) -> Array:
    """Less where the linearisation holds, more where it does not."""
    more = 4.0 * jnp.maximum(damping, 1e-20)
    return jnp.where(ratio > 0.75, 0.2 * damping, jnp.where(ratio < 0.25, more, damping))


def _kind(linear: _Linear, theta: Array, inputs: Inputs) -> Array:
    """Of convergence: plain, at a bound, or without a trace of some parameter."""
    absent = linear.norms == 0
    if inputs.free is not None:
        absent = absent & inputs.free
    code = jnp.where(_at_bound(theta, inputs), Outcome.AT_BOUND.code, Outcome.CONVERGED.code)
    return jnp.where((linear.regular & ~absent).all(), code, Outcome.SINGULAR.code)


def _at_bound(theta: Array, inputs: Inputs) -> Array:
    at = jnp.zeros((), bool)
    if inputs.low is not None:
        at = at | (theta <= inputs.low).any()
    if inputs.high is not None:
        at = at | (theta >= inputs.high).any()
    return at
