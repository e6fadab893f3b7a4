"""How far each row pulls the parameters, to first order: what robust errors and influence share."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._linear_algebra import decompose
from paramjax.estimate._objective import Objective
from paramjax.estimate._parameters import slopes
from paramjax.estimate.solvers import Rows

_OF_INFORMATION = ("observed information", "expected information")


@dataclass(frozen=True, eq=False)
class RowInfluence:
    """The rows at a solution, for the parameters that have standard errors.

    Attributes:
        known: Which parameters those are, bool[p].
        pulls: Minus the change of those parameters, per unit of weight taken from a row, to
            first order: inverse information times score, float64[n, k].
        root: T with T T' the inverse information, float64[k, k]; of least squares that for a
            variance of 1.
        weights: Of the rows, float64[n].
        residuals: Of least squares, times the root of their weights, float64[n]; else None.
        leverage: Of least squares, diagonal of the hat matrix, float64[n]; else None.
    """

    known: np.ndarray
    pulls: np.ndarray
    root: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray | None
    leverage: np.ndarray | None


def row_influence(est: Estimate, what: str) -> RowInfluence:
    """Linearise an estimate's objective at its solution.

    Raises:
        ValueError: If the estimate has no objective, or no parameter has a standard error; or if
            it is a robust or penalised one, whose covariance is no inverse information.
    """
    objective = est.objective
    if objective is None:
        raise ValueError(
            f"{what}: expected an estimate with its objective, got one without, such as one of "
            "least_squares_many; fit that problem by least_squares"
        )
    least_squares = objective.kind == "residuals"
    refused = ("sandwich", "ridge")
    if (
        est.covariance_kind in refused
        if least_squares
        else (est.covariance_kind not in _OF_INFORMATION)
    ):
        raise ValueError(
            f"{what}: expected an estimate whose covariance is an inverse information, got "
            f"{est.covariance_kind!r}; estimate it anew without a robust loss or ridge, and pass "
            "that estimate itself"
        )
    known = np.isfinite(np.diag(est.covariance))
    if not known.any():
        raise ValueError(f"{what}: expected parameters with standard errors, got none")
    rows, jacobian = _evaluated(est, objective)
    weights = np.ones(len(rows)) if objective.weights is None else objective.weights
    if not least_squares:
        root = np.linalg.cholesky(est.covariance[np.ix_(known, known)])
        scores = weights[:, None] * jacobian[:, known] / est.scale
        return RowInfluence(known, scores @ root @ root.T, root, weights, None, None)
    weighted = np.sqrt(weights)[:, None] * jacobian
    others = _others(est, weighted, known)
    own = weighted[:, known] - others @ (others.T @ weighted[:, known])
    found = decompose(own, resolution=0.0)
    residuals = np.sqrt(weights) * rows
    pulls = -residuals[:, None] * (found.q @ found.root.T)
    leverage = (found.q**2).sum(axis=1) + (others**2).sum(axis=1)
    return RowInfluence(known, pulls, found.root, weights, residuals, leverage)


def _evaluated(est: Estimate, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and derivatives by the parameters on the user's scale."""
    theta = est.parameters.to_solver(est.theta)
    rows, jacobian = objective.evaluate(theta)
    return rows, jacobian / slopes(est.parameters, theta)


def _others(est: Estimate, weighted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A basis of the columns of parameters that move, but have no error of their own, [n, r]."""
    objective = est.objective
    assert objective is not None
    theta = est.parameters.to_solver(est.theta)
    moves = ~known
    if objective.low is not None:
        moves &= theta > objective.low
    if objective.high is not None:
        moves &= theta < objective.high
    if not moves.any():
        return np.zeros((len(weighted), 0))
    found = decompose(weighted[:, moves])
    return found.q[:, : found.rank]


def row_hessians(est: Estimate) -> np.ndarray:
    """Second derivatives of each row by the solver's parameters, float64[n, p, p]."""
    objective = est.objective
    assert objective is not None
    theta = est.parameters.to_solver(est.theta)
    with jax.enable_x64(True):
        return np.asarray(_hessians(objective.rows, theta, objective.data))


@owned_jit()
def _hessians(rows: Rows, theta: Array, data: PyTree) -> Array:
    hessians: Array = jax.jacfwd(jax.jacfwd(rows))(theta, data)
    return hessians
