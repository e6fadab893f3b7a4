"""Many problems in refilled slots: numpy's own solutions are the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.estimate import Outcome
from paramjax.estimate.solvers import Inputs, Solver, SolverState, solve_many

X = np.linspace(0.0, 1.0, 9)


def line(theta, data):
    """Residuals of a straight line."""
    return theta[0] + theta[1] * data["x"] - data["y"]


def gradient_init(theta, inputs):
    """A problem that nothing has moved yet."""
    zero = jnp.zeros((), theta.dtype)
    return SolverState(theta, zero, zero, jnp.int8(0), jnp.int32(0))


def newton_step(state, inputs):
    """Half of Gauss and Newton's step on the parameters that are free: many iterations."""

    def rows(theta):
        return jnp.sqrt(inputs.weights) * line(theta, inputs.data)

    r, j = rows(state.theta), jax.jacfwd(rows)(state.theta)
    free = jnp.ones(2) if inputs.free is None else inputs.free
    normal = j.T @ j * jnp.outer(free, free) + jnp.diag(1 - free)
    move = -0.5 * jnp.linalg.solve(normal, j.T @ r * free)
    ended = jnp.all(jnp.abs(move) < 1e-13)
    return SolverState(
        state.theta + move,
        0.5 * r @ r,
        state.damping,
        jnp.where(ended, Outcome.CONVERGED.code, state.outcome),
        state.iterations + 1,
    )


SOLVER = Solver(gradient_init, newton_step)


def problems(m):
    """Lines of different noise, weights and starts."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=(m, 9))
    return y, rng.uniform(0.5, 2.0, (m, 9)), rng.normal(size=(m, 2)) * 10.0 ** rng.uniform(0, 6)


def test_weighted_lines_of_more_problems_than_slots():
    y, weights, starts = problems(50)
    inputs = Inputs({"x": X, "y": y}, weights=weights)
    axes = Inputs({"x": None, "y": 0}, weights=0)
    found = solve_many(line, SOLVER, starts, inputs, axes, chunk=7)
    expected = [
        np.polyfit(X, row, 1, w=np.sqrt(w))[::-1] for row, w in zip(y, weights, strict=True)
    ]
    np.testing.assert_allclose(found.theta, expected, rtol=1e-9, atol=1e-11)
    assert (found.outcome == Outcome.CONVERGED.code).all()
    assert found.theta.dtype == np.float64


def test_shared_data_with_weights_and_free_masks():
    y, weights, starts = problems(6)
    free = np.tile([[1.0, 0.0]], (6, 1))
    inputs = Inputs({"x": X, "y": y[0]}, weights=weights, free=free)
    found = solve_many(line, SOLVER, starts, inputs, Inputs(None, weights=0, free=0))
    np.testing.assert_array_equal(found.theta[:, 1], starts[:, 1])
    means = [
        np.average(y[0] - b * X, weights=w) for b, w in zip(starts[:, 1], weights, strict=True)
    ]
    np.testing.assert_allclose(found.theta[:, 0], means, rtol=1e-9, atol=1e-10)


def test_unfinished_problems_say_so():
    y, weights, starts = problems(5)
    inputs = Inputs({"x": X, "y": y}, weights=weights)
    axes = Inputs({"x": None, "y": 0}, weights=0)
    found = solve_many(line, SOLVER, starts, inputs, axes, max_iterations=3)
    assert (found.outcome == Outcome.UNFINISHED.code).all()
    np.testing.assert_array_equal(found.iterations, 3)


def test_leading_axes_must_agree():
    inputs = Inputs({"x": X, "y": np.zeros((4, 9))})
    with pytest.raises(ValueError, match=r"expected a leading axis of 5 problems, got \(4, 9\)"):
        solve_many(line, SOLVER, np.zeros((5, 2)), inputs, Inputs({"x": None, "y": 0}))
