"""From a checked problem of least squares to its estimate: solve, then say what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import describe
from paramjax._types import Array, PyTree
from paramjax.estimate._constraints import Constrained
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate._parameters import Parameters
from paramjax.estimate.curves._found import Options, Solution, estimate_of
from paramjax.estimate.curves._starts import best_start
from paramjax.estimate.inputs._missing import Complete
from paramjax.estimate.inputs._plain_data import infinite_in, plain_column
from paramjax.estimate.inputs._traced import traced_rows
from paramjax.estimate.solvers import Inputs, Rows, Solver, solve_single


class Pieces(NamedTuple):
    """What is made once for a function and a form of its parameters."""

    rows: Rows
    solver: Solver
    report: Callable[[Array, Inputs], PyTree]
    plain: Callable[[], Pieces]
    """The same without its robust loss."""
    predict: Callable[[Any, Any], Any] | None


def fit(pieces: Pieces, found: Constrained, complete: Complete, options: Options) -> Estimate:
    """Solve it from one start or from several."""
    objective = _objective(pieces, found, complete, options)
    start = found.parameters.to_solver(found.parameters.start)
    notes: tuple[str, ...] = (complete.note,) if complete.note else ()
    if options.starts is not None:
        start, more = best_start(objective, start, options.starts, options.key)
        notes += more
    solution = _solved(pieces, objective, start)
    if options.loss is not None and not _is_settled(solution):
        # residuals beyond the scale of a loss have little slope or none: begin where they are less
        plain = _solved(pieces.plain(), objective, start)
        solution = _solved(pieces, objective, plain.solved.theta)
        notes += ("the robust fit started from that of least squares",)
    if outcome_of(int(solution.solved.outcome)) is Outcome.NONFINITE:
        raise ValueError(_not_finite(objective, solution))
    return estimate_of(objective, solution, options, notes)


def _solved(pieces: Pieces, objective: Objective, start: np.ndarray) -> Solution:
    solved, report = solve_single(
        pieces.rows, pieces.solver, start, objective.inputs, pieces.report
    )
    return Solution(solved, *report)


def _is_settled(solution: Solution) -> bool:
    outcome = outcome_of(int(solution.solved.outcome))
    return outcome in (Outcome.CONVERGED, Outcome.AT_BOUND, Outcome.NONFINITE)


def _objective(
    pieces: Pieces, found: Constrained, complete: Complete, options: Options
) -> Objective:
    data, kept = complete.data, complete.kept
    if options.weights is not None and options.sigma is not None:
        raise ValueError("weights: expected weights or sigma, got both; sigma is a known precision")
    plain = Standardised(data, np.float64(1.0)) if _standardised(options) else data
    rows = _rows_of(pieces.rows, found.parameters, plain)
    weights = _column("weights", options.weights, rows, kept)
    sigma = _column("sigma", options.sigma, rows, kept)
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
    found = traced_rows("residual_fn", rows, parameters.size, data)
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
    array = plain_column(name, value, kept)
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


def _not_finite(objective: Objective, solution: Solution) -> str:
    names = objective.parameters.names
    at = dict(zip(names, solution.theta.tolist(), strict=True))
    wrong = np.flatnonzero(~np.isfinite(solution.residuals))
    if len(wrong):
        infinite = infinite_in(objective.data, wrong[0])
        remedy = "take such rows out" if infinite else f"start from other values than {at}"
        return (
            f"params0: {len(wrong)} residuals are not finite at the start, the first is row "
            f"{wrong[0]} ({solution.residuals[wrong[0]]}){infinite}; {remedy}"
        )
    bad = ~np.isfinite(solution.jacobian)
    if not bad.any():
        return f"params0: the sum of squares overflows at the start; start nearer than from {at}"
    named = ", ".join(name for name, any_ in zip(names, bad.any(axis=0), strict=True) if any_)
    row = int(np.argmax(bad.any(axis=1)))
    return (
        f"params0: derivatives by {named} are not finite at the start in {bad.any(axis=1).sum()} "
        f"rows, the first is row {row}; start from other values than {at}, or write the function "
        "so that it has a derivative there: (x / k) ** n has none at x = 0"
    )
