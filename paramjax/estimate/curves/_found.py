"""What a solution of least squares is worth: its covariance, its outcome, what to know of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._types import Array, Key, Params
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate.curves._robust_losses import RobustLoss
from paramjax.estimate.solvers import Solved
from paramjax.estimate.uncertainty._information import Covariance, covariance_of_jacobian

_EPS = float(np.finfo(np.float64).eps)


class Options(NamedTuple):
    """What the user chose besides the problem."""

    weights: Any
    sigma: Any
    loss: RobustLoss | None
    starts: int | Params | None
    key: Key | None


class Solution(NamedTuple):
    """What the program of a single fit gives."""

    solved: Solved
    residuals: np.ndarray
    """Without the weights, [n]."""
    jacobian: np.ndarray
    """Of them, on the scale of the solver, [n, p]."""
    theta: np.ndarray
    """On the scale of the user, [p]."""
    slopes: np.ndarray
    """Derivatives of the user's numbers by those of the solver, [p]."""


def estimate_of(
    objective: Objective, solution: Solution, options: Options, notes: tuple[str, ...]
) -> Estimate:
    """The estimate at a solution, with its standard errors."""
    parameters, value = objective.parameters, 2.0 * float(solution.solved.value)
    at_bound = _at_bound(objective, solution.solved.theta)
    found = _covariance(objective, solution, options.loss, at_bound)
    rows = _count(objective, solution)
    dof = rows - found.rank
    known = options.sigma is not None or options.loss is not None
    scale = 1.0 if known else value / dof if dof else np.nan
    return Estimate(
        params=parameters.tree(solution.theta),
        covariance=scale * found.covariance,
        outcome=_outcome(solution.solved, at_bound, found),
        parameters=parameters,
        objective=objective,
        title="Least squares" if options.loss is None else "Robust least squares",
        value=value,
        rows=rows,
        dof=dof,
        scale=scale,
        reference="normal" if known else "t",
        covariance_kind="expected information" if options.loss is None else "sandwich",
        statistics=_statistics(objective, options, rows, found.rank, value),
        notes=(*notes, *found.notes, *_caveats(objective, solution, options, dof, value)),
        iterations=int(solution.solved.iterations),
    )


def _count(objective: Objective, solution: Solution) -> int:
    """Rows whose weight is above zero."""
    weights = objective.weights
    return len(solution.residuals) if weights is None else int((weights > 0).sum())


def _statistics(
    objective: Objective, options: Options, rows: int, rank: int, value: float
) -> dict[str, float]:
    """Those of the normal likelihood; they count the parameters, not the variance."""
    if options.loss is not None or value == 0:
        return {}
    variance = value / rows if options.sigma is None else 1.0
    weights = objective.weights
    logs = 0.0 if weights is None else 0.5 * np.log(weights[weights > 0]).sum()
    log = logs - 0.5 * rows * np.log(2 * np.pi * variance) - 0.5 * value / variance
    return {
        "log likelihood": float(log),
        "AIC": float(2 * rank - 2 * log),
        "BIC": float(np.log(rows) * rank - 2 * log),
    }


def _at_bound(objective: Objective, theta: np.ndarray) -> np.ndarray:
    at = np.zeros(theta.shape, bool)
    if objective.low is not None:
        at |= theta <= objective.low
    if objective.high is not None:
        at |= theta >= objective.high
    return at


def _outcome(solved: Solved, at_bound: np.ndarray, covariance: Covariance) -> Outcome:
    outcome = outcome_of(int(solved.outcome))
    if outcome not in (Outcome.CONVERGED, Outcome.AT_BOUND, Outcome.SINGULAR):
        return outcome
    if not (covariance.determined | at_bound).all():
        return Outcome.SINGULAR
    return Outcome.AT_BOUND if at_bound.any() else Outcome.CONVERGED


def _covariance(
    objective: Objective, solution: Solution, loss: RobustLoss | None, at_bound: np.ndarray
) -> Covariance:
    """On the user's scale, for residuals of variance 1 or by the sandwich of a robust loss."""
    weights = np.ones(len(solution.residuals)) if objective.weights is None else objective.weights
    jacobian = solution.jacobian / solution.slopes
    jacobian[weights == 0] = 0.0  # where a row does not count it need not be finite
    names = objective.parameters.names
    if loss is None:
        rooted = np.sqrt(weights)[:, None] * jacobian
        return covariance_of_jacobian(rooted, names, at_bound=at_bound)
    residuals = np.where(weights > 0, solution.residuals, 0.0)
    slope, bend = _slopes_of(loss, residuals)
    rooted = np.sqrt(weights * np.maximum(bend, 0.0))[:, None] * jacobian
    bread = covariance_of_jacobian(rooted, names, at_bound=at_bound)
    scores = (weights * slope * residuals)[:, None] * jacobian
    spread = np.where(np.isfinite(bread.covariance), bread.covariance, 0.0) @ scores.T
    rows = _count(objective, solution)
    sandwich = spread @ spread.T * (rows / max(rows - bread.rank, 1))
    return bread._replace(covariance=np.where(np.isfinite(bread.covariance), sandwich, np.nan))


def _slopes_of(loss: RobustLoss, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of half the loss by the residual, the first over it."""

    def slope_of(z: Array) -> Array:
        slope: Array = jax.jvp(loss, (z,), (jax.numpy.ones_like(z),))[1]
        return slope

    with jax.enable_x64(True):
        z = jax.numpy.asarray(residuals**2)
        slope, curvature = jax.jvp(slope_of, (z,), (jax.numpy.ones_like(z),))
        return np.asarray(slope), np.asarray(slope + 2 * curvature * z)


def _caveats(
    objective: Objective, solution: Solution, options: Options, dof: int, value: float
) -> list[str]:
    notes = []
    if dof == 0 and options.sigma is None:
        notes.append(
            "as many parameters as rows: the residuals' variance cannot be estimated, so no "
            "standard errors; give sigma if it is known"
        )
    size = np.linalg.norm(solution.jacobian * solution.solved.theta)
    if dof and options.sigma is None and np.sqrt(value) <= 10 * _EPS * size:
        notes.append("the fit is exact to rounding: the standard errors are those of rounding")
    if outcome_of(int(solution.solved.outcome)) in (Outcome.STUCK, Outcome.UNFINISHED):
        notes.append(
            "not converged: the standard errors are those of a point that is no minimum; begin "
            "elsewhere, or at several starts"
        )
    return notes
