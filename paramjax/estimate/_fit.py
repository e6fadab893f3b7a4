"""From a checked problem of least squares to its estimate: solve, then say what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._checks import describe
from paramjax._programs import kept_on
from paramjax._types import Array, Key, Params, PyTree
from paramjax.estimate._constraints import Constrained
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._missing import Complete
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate._parameters import Parameters
from paramjax.estimate._robust_losses import RobustLoss
from paramjax.estimate._starts import best_start
from paramjax.estimate.solvers import Inputs, Rows, Solved, Solver, solve_single
from paramjax.estimate.uncertainty._information import Covariance, covariance_of_jacobian

_EPS = float(np.finfo(np.float64).eps)


class Options(NamedTuple):
    """What the user chose besides the problem."""

    weights: Any
    sigma: Any
    loss: RobustLoss | None
    starts: int | Params | None
    key: Key | None


class Pieces(NamedTuple):
    """What is made once for a function and a form of its parameters."""

    rows: Rows
    solver: Solver
    report: Callable[[Array, Inputs], PyTree]
    predict: Callable[[Any, Any], Any] | None


class _Solution(NamedTuple):
    """What the program of a single fit gives."""

    solved: Solved
    residuals: np.ndarray
    jacobian: np.ndarray
    theta: np.ndarray
    slopes: np.ndarray


def fit(pieces: Pieces, found: Constrained, complete: Complete, options: Options) -> Estimate:
    """Solve it from one start or from several."""
    objective = _objective(pieces, found, complete, options)
    start = found.parameters.to_solver(found.parameters.start)
    notes: tuple[str, ...] = (complete.note,) if complete.note else ()
    if options.starts is not None:
        start, more = best_start(objective, start, options.starts, options.key)
        notes += more
    solved, report = solve_single(
        pieces.rows, pieces.solver, start, objective.inputs, pieces.report
    )
    solution = _Solution(solved, *report)
    if outcome_of(int(solved.outcome)) is Outcome.NONFINITE:
        raise ValueError(_not_finite(objective.parameters, solution))
    return _estimate(objective, solution, options, notes)


def _objective(
    pieces: Pieces, found: Constrained, complete: Complete, options: Options
) -> Objective:
    data, kept = complete.data, complete.kept
    if options.weights is not None and options.sigma is not None:
        raise ValueError("weights: expected weights or sigma, got both; sigma is a known precision")
    plain = Standardised(data, np.float64(1.0)) if _standardised(options) else data
    rows = _rows_of(pieces.rows, found.parameters, plain)
    weights = _column("weights", options.weights, rows, kept)
    if weights is not None and not ((weights >= 0) & np.isfinite(weights)).all():
        raise ValueError("weights: expected finite numbers from 0, got a negative or nan")
    sigma = _column("sigma", options.sigma, rows, kept)
    if sigma is not None and not ((sigma > 0) & np.isfinite(sigma)).all():
        raise ValueError("sigma: expected finite numbers above 0, got 0, a negative or nan")
    if sigma is not None and options.loss is None:
        weights = 1.0 / sigma**2
    elif sigma is not None:
        data = Standardised(data, sigma)
    _check_enough(rows if weights is None else int((weights > 0).sum()), found.parameters)
    return Objective(
        "residuals", found.parameters, pieces.rows, data, pieces.solver, weights,
        found.low, found.high, pieces.predict,
    )  # fmt: skip


class Standardised(NamedTuple):
    """Data whose residuals a robust loss sees in units of their standard deviation."""

    data: PyTree
    sigma: Any


def _standardised(options: Options) -> bool:
    return options.sigma is not None and options.loss is not None


def _rows_of(rows: Rows, parameters: Parameters, data: PyTree) -> int:
    """How many residuals there are, traced once for the shapes of the data."""
    leaves, treedef = jax.tree.flatten(data)
    shapes = tuple((leaf.shape, leaf.dtype.str) for leaf in leaves)

    def shape() -> Any:
        with jax.enable_x64(True):
            return jax.eval_shape(rows, np.zeros(parameters.size), data)

    found = kept_on(rows, ("residuals", treedef, shapes), shape)
    if getattr(found, "ndim", None) != 1:
        raise ValueError(
            f"residual_fn: expected residuals [n], got {describe(found)}; ravel them in residual_fn"
        )
    if found.dtype != np.float64:
        raise TypeError(
            f"residual_fn: expected float64 residuals, got {found.dtype}; params and data come as "
            "float64, do not cast them, for standard errors need the digits"
        )
    return int(found.shape[0])


def _column(name: str, value: Any, rows: int, kept: np.ndarray | None) -> np.ndarray | None:
    """One number for each row that is left."""
    if value is None:
        return None
    array = np.asarray(value, np.float64)
    if array.ndim == 0:
        return np.full(rows, array)
    if kept is not None and array.shape == kept.shape:
        array = array[kept]
    if array.shape != (rows,):
        raise ValueError(
            f"{name}: expected one number for each of {rows} residuals, got shape {array.shape}"
        )
    return array


def _check_enough(rows: int, parameters: Parameters) -> None:
    if rows < parameters.size:
        raise ValueError(
            f"data: expected at least as many rows as parameters, got {rows} rows for "
            f"{parameters.size} parameters ({', '.join(parameters.names)}); hold some fixed"
        )


def _not_finite(parameters: Parameters, solution: _Solution) -> str:
    at = dict(zip(parameters.names, solution.theta.tolist(), strict=True))
    wrong = np.flatnonzero(~np.isfinite(solution.residuals))
    if len(wrong):
        return (
            f"params0: {len(wrong)} residuals are not finite at the start, the first is row "
            f"{wrong[0]} ({solution.residuals[wrong[0]]}); start from other values than {at}"
        )
    columns = ~np.isfinite(solution.jacobian).all(axis=0)
    named = ", ".join(name for name, bad in zip(parameters.names, columns, strict=True) if bad)
    return (
        f"params0: derivatives by {named} are not finite at the start; start from other values "
        f"than {at}"
    )


def _estimate(
    objective: Objective, solution: _Solution, options: Options, notes: tuple[str, ...]
) -> Estimate:
    parameters, weights = objective.parameters, objective.weights
    rows = len(solution.residuals) if weights is None else int((weights > 0).sum())
    dof, value = rows - parameters.size, 2.0 * float(solution.solved.value)
    at_bound = _at_bound(objective, solution.solved.theta)
    known = options.sigma is not None or options.loss is not None
    scale = 1.0 if known else value / dof if dof else np.nan
    covariance = _covariance(objective, solution, options.loss, scale, at_bound)
    return Estimate(
        params=parameters.tree(solution.theta),
        covariance=covariance.covariance,
        outcome=_outcome(solution.solved, at_bound, covariance),
        parameters=parameters,
        objective=objective,
        title="Least squares" if options.loss is None else "Robust least squares",
        value=value,
        rows=rows,
        dof=dof,
        scale=scale,
        reference="normal" if known else "t",
        covariance_kind="expected information" if options.loss is None else "sandwich",
        notes=(*notes, *covariance.notes, *_caveats(objective, solution, options, dof, value)),
        iterations=int(solution.solved.iterations),
    )


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
    objective: Objective,
    solution: _Solution,
    loss: RobustLoss | None,
    scale: float,
    at_bound: np.ndarray,
) -> Covariance:
    """On the user's scale."""
    weights = 1.0 if objective.weights is None else objective.weights
    jacobian = solution.jacobian / solution.slopes
    names = objective.parameters.names
    if loss is None:
        rooted = np.sqrt(weights) * jacobian.T
        return covariance_of_jacobian(rooted.T, names, scale=scale, at_bound=at_bound)
    slope, bend = _slopes_of(loss, solution.residuals)
    found = covariance_of_jacobian(
        (np.sqrt(weights * np.maximum(bend, 0.0)) * jacobian.T).T, names, at_bound=at_bound
    )
    scores = (weights * slope * solution.residuals * jacobian.T).T
    rows = int((np.ones(len(scores)) * weights > 0).sum())
    spread = np.where(np.isfinite(found.covariance), found.covariance, 0.0) @ scores.T
    sandwich = spread @ spread.T * (rows / max(rows - len(names), 1))
    return found._replace(covariance=np.where(np.isfinite(found.covariance), sandwich, np.nan))


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
    objective: Objective, solution: _Solution, options: Options, dof: int, value: float
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
        notes.append("not converged: the standard errors are those of a point that is no minimum")
    return notes
