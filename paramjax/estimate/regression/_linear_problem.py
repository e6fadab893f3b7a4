"""A linear regression as an objective: its residuals, its one-step solver, new responses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paramjax._types import Array, Key, PyTree
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters
from paramjax.estimate.solvers import Inputs, Solver, SolverState
from paramjax.estimate.solvers._elimination import solve_upper, triangle

_SINGULAR = 1e-13


def linear_objective(
    parameters: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    penalty: np.ndarray,
    spread: np.ndarray,
    intercept: bool,
) -> Objective:
    """The weighted sum of squares of y - X theta, ready for refits.

    Args:
        parameters: One coefficient a column.
        X: float64[n, p].
        y: float64[n].
        weights: float64[n] or None.
        penalty: What half the square of each coefficient is multiplied by, float64[p].
        spread: Standard deviation of each response, float64[n].
        intercept: Whether the first column is one of ones that inputs of a prediction lack.
    """
    names = parameters.names[1:] if intercept else parameters.names
    return Objective(
        kind="residuals",
        parameters=parameters,
        rows=linear_rows,
        data={"X": X, "y": y, "penalty": penalty, "spread": spread},
        solver=LINEAR,
        weights=weights,
        predict=_predict_fn(names, intercept),
        simulate=_simulate,
    )


def linear_rows(theta: Array, data: PyTree) -> Array:
    """Residuals; a coefficient that is NaN does not enter, for others explain its column."""
    rows: Array = data["y"] - data["X"] @ _entering(theta)
    return rows


def _entering(theta: Array) -> Array:
    return jnp.where(jnp.isnan(theta), 0.0, theta)


def _simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    mean = data["X"] @ _entering(theta)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    return {**data, "y": mean + data["spread"] * noise}


@functools.lru_cache(maxsize=64)
def _predict_fn(names: tuple[str, ...], intercept: bool) -> Any:
    """The regression at new rows [m, k], or at a mapping of columns; one function for programs."""

    def predict(theta: Array, x: Any) -> Array:
        if isinstance(x, Mapping):
            x = jnp.stack([jnp.asarray(x[name]) for name in names], axis=-1)
        x = jnp.asarray(x)
        x = x[:, None] if x.ndim == 1 and len(names) == 1 else x
        slopes = _entering(theta)
        mean: Array = x @ slopes[1:] + slopes[0] if intercept else x @ slopes
        return mean

    return predict


def _init(theta: Array, inputs: Inputs) -> SolverState:
    del inputs
    code = jnp.asarray(Outcome.UNFINISHED.code)
    zero = jnp.zeros((), theta.dtype)
    return SolverState(theta, zero + jnp.inf, zero, code, jnp.int32(0))


def _step(state: SolverState, inputs: Inputs) -> SolverState:
    """The whole way: a correction by QR, and one more of what its rounding left."""
    held = jnp.isnan(state.theta)
    if inputs.free is not None:
        held |= ~inputs.free
    root = 1.0 if inputs.weights is None else jnp.sqrt(inputs.weights)
    penalty = jnp.where(held, 1.0, jnp.sqrt(inputs.data["penalty"]))
    X = jnp.where(held[None], 0.0, inputs.data["X"]) * jnp.reshape(root, (-1, 1))
    lengths = jnp.linalg.norm(X, axis=0)
    scale = jnp.where(lengths > 0, lengths, 1.0)
    table = jnp.concatenate([X, jnp.diag(penalty)]) / scale[None]

    def residuals(theta: Array) -> Array:
        rows = linear_rows(theta, inputs.data)
        rows = root * (rows if inputs.offset is None else rows + inputs.offset)
        return jnp.concatenate([rows, jnp.where(held, 0.0, -penalty * _entering(theta))])

    def correct(_: Any, found: tuple[Array, Array]) -> tuple[Array, Array]:
        theta, p = found[0], scale.size
        factor = triangle(jnp.concatenate([table, residuals(theta)[:, None]], axis=1), p)
        change = solve_upper(factor[:, :p], factor[:, p]) / scale
        return theta + change, jnp.abs(jnp.diagonal(factor))

    theta, diagonal = lax.fori_loop(0, 2, correct, (state.theta, jnp.zeros_like(state.theta)))
    value = 0.5 * (residuals(theta) ** 2).sum()
    code = jnp.where(diagonal.min() > _SINGULAR, Outcome.CONVERGED.code, Outcome.SINGULAR.code)
    code = jnp.where(jnp.isfinite(value), code, Outcome.NONFINITE.code).astype(jnp.int8)
    done = SolverState(theta, value, state.damping, code, state.iterations + 1)
    runs = state.outcome == Outcome.UNFINISHED.code
    stepped: SolverState = jax.tree.map(lambda a, b: jnp.where(runs, a, b), done, state)
    return stepped


LINEAR = Solver(_init, _step)
