"""The maximum of a log likelihood, with the Hessian there, in one program."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate.solvers import Inputs, Rows, Solver, SolverState
from paramjax.estimate.solvers._newton import minus_log_likelihood


class Maximum(NamedTuple):
    """A maximum on the host.

    Attributes:
        theta: float64[p].
        log_likelihood: There.
        outcome: How the iterations ended.
        iterations: Done.
        information: The observed one, minus the Hessian of the log likelihood, float64[p, p];
            None where the solver has none.
        gradient: Of minus the log likelihood, float64[p]; None where the solver keeps none.
    """

    theta: np.ndarray
    log_likelihood: float
    outcome: Outcome
    iterations: int
    information: np.ndarray | None
    gradient: np.ndarray | None = None


def maximise(
    rows: Rows, solver: Solver, theta: np.ndarray, inputs: Inputs, *, max_iterations: int = 2000
) -> Maximum:
    """Run a solver until it ends.

    Args:
        rows: The log probabilities, on which the compiled program hangs.
        solver: Made of them; the same object at every call, or it is compiled again.
        theta: The start, float64[p].
        inputs: Of the problem.
        max_iterations: Steps at most.
    """
    with jax.enable_x64(True):
        start = np.asarray(theta, np.float64)
        state = jax.device_get(_ended(rows, solver, max_iterations, start, inputs))
    return Maximum(
        np.asarray(state.theta),
        -float(state.value),
        outcome_of(int(state.outcome)),
        int(state.iterations),
        getattr(state.own, "hessian", None),
        getattr(state.own, "gradient", None),
    )


@owned_jit(static=3)
def _ended(
    rows: Rows, solver: Solver, max_iterations: int, theta: Array, inputs: Inputs
) -> SolverState:
    """The last state."""

    def runs(state: SolverState) -> Array:
        unfinished = state.outcome == Outcome.UNFINISHED.code
        return unfinished & (state.iterations < max_iterations)

    start = solver.init(jnp.asarray(theta), inputs)
    return jax.lax.while_loop(runs, lambda state: solver.step(state, inputs), start)


def information_at(rows: Rows, theta: np.ndarray, inputs: Inputs) -> np.ndarray:
    """Minus the Hessian of the log likelihood at a point, float64[p, p]."""
    with jax.enable_x64(True):
        hessian = np.asarray(_hessian(rows, np.asarray(theta, np.float64), inputs))
    symmetric: np.ndarray = (hessian + hessian.T) / 2
    return symmetric


@owned_jit()
def _hessian(rows: Rows, theta: Array, inputs: Inputs) -> Array:
    """Row by row, so that it takes the memory of a few derivatives only."""

    def gradient(at: Array) -> Array:
        slope: Array = jax.grad(lambda t: minus_log_likelihood(rows, t, inputs)[0])(at)
        return slope

    _, push = jax.linearize(gradient, theta)
    found: Array = jax.lax.map(push, jnp.eye(theta.size, dtype=theta.dtype), batch_size=16)
    return found
