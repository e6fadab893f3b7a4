"""One problem solved in one program: the iterations, and what is wanted at their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._solver import Inputs, Solved, Solver, SolverState

Report = Callable[[Array, Inputs], PyTree]
"""What is wanted at the solution: `(theta [p], inputs) -> pytree`."""


def solve_single(
    owner_fn: Callable[..., Any],
    solver: Solver,
    theta: np.ndarray,
    inputs: Inputs,
    report: Report | None = None,
    max_iterations: int = 20_000,
) -> tuple[Solved, PyTree]:
    """Run a solver until it ends.

    Args:
        owner_fn: The user's function, on which the compiled program hangs.
        solver: `init` and `step`; the same object at every call, or it is compiled again.
        theta: The start, float64[p].
        inputs: Of the problem.
        report: What else is computed at the solution, in the same program.
        max_iterations: Steps at most.

    Returns:
        The solution, and what the report gives, as numpy arrays.

    Example:
        >>> from paramjax.estimate.solvers import levenberg_marquardt, linearised
        >>> rows = lambda theta, data: data["y"] - theta[0] * data["x"]
        >>> data = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 6.0])}
        >>> solved, (residuals, jacobian) = solve_single(
        ...     rows, levenberg_marquardt(rows), np.ones(1), Inputs(data),
        ...     report=lambda theta, inputs: linearised(rows, theta, inputs),
        ... )
        >>> solved.theta.round(9).tolist(), jacobian.tolist()
        ([3.0], [[-1.0], [-2.0]])
    """
    with jax.enable_x64(True):
        found = jax.device_get(_solve(owner_fn, solver, report, max_iterations, theta, inputs))
    state, rest = found
    return Solved(state.theta, state.value, state.outcome, state.iterations), rest


@owned_jit(static=4)
def _solve(
    owner_fn: Callable[..., Any],
    solver: Solver,
    report: Report | None,
    max_iterations: int,
    theta: Array,
    inputs: Inputs,
) -> tuple[SolverState, PyTree]:
    """The last state, without what only the solver needs, and the report."""

    def runs(state: SolverState) -> Array:
        unfinished = state.outcome == Outcome.UNFINISHED.code
        return unfinished & (state.iterations < max_iterations)

    start = jax.tree.map(jnp.asarray, theta)
    state = jax.lax.while_loop(runs, lambda s: solver.step(s, inputs), solver.init(start, inputs))
    return state._replace(own=()), None if report is None else report(state.theta, inputs)
