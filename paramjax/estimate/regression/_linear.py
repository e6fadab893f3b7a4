"""Linear least squares with weights and ridge, right to the digits that the data allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from paramjax._format import number
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._linear_algebra import Decomposition, combination_words, decompose
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.regression._design import (
    Design,
    Missing,
    check_same_rows,
    check_size,
    coefficients_of,
    column_of,
    design_of,
    present_rows,
)
from paramjax.estimate.regression._linear_problem import linear_objective
from paramjax.estimate.regression._refinement import refined

_ILL_CONDITIONED = 1e7
_SHOWN = 5
"""Combinations of columns that a note shows."""


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows of a regression."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    resolution: float


@dataclass(frozen=True, eq=False)
class _Solution:
    """Coefficients, NaN where others explain the column; covariance over the scale."""

    coefficients: np.ndarray
    residuals: np.ndarray
    unscaled: np.ndarray
    freedom: float
    columns: Decomposition
    found: Decomposition


def linear(
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    ridge: float = 0.0,
    names: Sequence[str] | None = None,
    missing: Missing = "raise",
) -> Estimate:
    r"""Linear regression by least squares.

    $$\min_b \sum_i w_i (y_i - x_i b)^2 + \lambda \sum_j b_j^2$$
    by QR with column pivoting of the scaled columns, and corrections from residuals in twice
    the precision (Bjorck, 1967), so that certified problems that are nearly singular (NIST's
    Longley, Wampler, Filip) are right to the digits that their numbers hold.

    A column that columns before it explain gets a coefficient of NaN, as in R, the others are
    estimated without it, the outcome is "singular", and a note says the combination.

    With ridge the estimate is biased towards zero: its standard errors are those of its spread
    alone, $\sigma^2 A^{-1} X'WX A^{-1}$ with $A = X'WX + \lambda I$, and the degrees of freedom
    are n less the trace of the hat matrix (Hastie, Tibshirani and Friedman, 2009, section
    3.4.1), rounded. The intercept is not penalised; columns are taken as they are, so
    standardise them first if their units differ.

    Args:
        X: An array [n, k] or [n], a mapping of columns [n], or a table of pandas or polars; one
            without columns, [n, 0], has the intercept alone, as R's y ~ 1.
        y: Responses, [n].
        intercept: Whether a column of ones comes first.
        weights: Relative precisions of the rows, [n], from 0: 1 / variance up to a factor, which
            is estimated. Rows of weight 0 do not count.
        ridge: Penalty lambda, from 0.
        names: Of the columns of an array; x1, x2, ... by default.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and notes how many.

    Returns:
        Coefficients by name in the order of the columns, with standard errors by Student's t.
        Its statistics hold "R-squared" (about the mean where a constant is among the columns,
        else about zero), "adjusted R-squared", "F" against the mean alone and its "F p-value"
        (without ridge), "log likelihood", "AIC" and "BIC" (which count the coefficients, not
        the variance) and the "condition number" of the scaled columns.

    Raises:
        TypeError: If a column or y does not hold real numbers; it is named.
        ValueError: If there are fewer rows than columns and no ridge, all columns are zero,
            lengths differ, a number is infinite or missing, or weights or ridge are negative.

    Example:
        >>> found = linear({"x": [1.0, 2.0, 3.0, 4.0]}, [3.0, 5.0, 7.0, 10.0])
        >>> f"{found.params['x']:.2f} +- {found.stderr['x']:.2f}"
        '2.30 +- 0.17'
        >>> round(found.statistics["R-squared"], 4)
        0.9888
    """
    if not (np.ndim(ridge) == 0 and 0 <= ridge < np.inf):
        raise ValueError(f"ridge: expected a finite number from 0, got {ridge!r}")
    check_same_rows(X, y)
    design = design_of(X, intercept=intercept, names=names)
    whole, notes = _table(design, y, weights, missing)
    table = _counting(whole)
    penalty = np.full(len(design.names), float(ridge))
    penalty[: int(intercept)] = 0.0
    solution = _solve(design.names, table, penalty)
    n = len(table.y)
    rss = float(table.weights @ solution.residuals**2)
    freedom = n - solution.freedom
    scale = rss / freedom if freedom >= 0.5 else float("nan")
    covariance, vanished = _covariance(design.names, scale, solution.unscaled)
    parameters = coefficients_of(design.names)
    singular = not solution.found.full
    return Estimate(
        params=parameters.tree(solution.coefficients),
        covariance=covariance,
        outcome=Outcome.SINGULAR if singular else Outcome.CONVERGED,
        parameters=parameters,
        objective=linear_objective(
            parameters,
            whole.X,
            whole.y,
            None if weights is None else whole.weights,
            penalty,
            np.sqrt(np.divide(scale, whole.weights, where=whole.weights > 0, out=0 * whole.y)),
            intercept,
        ),
        title=_title(weights is not None, ridge),
        value=rss,
        rows=n,
        dof=round(freedom),
        scale=scale,
        covariance_kind="ridge" if ridge else "expected information",
        statistics=_statistics(table, solution, rss, ridge > 0),
        notes=(*notes, *_notes(design.names, table, solution, rss, ridge), *vanished),
        iterations=1,
    )


def _table(
    design: Design, y: Any, weights: Any, missing: Missing
) -> tuple[_Table, tuple[str, ...]]:
    """Rows without NaN."""
    n = len(design.matrix)
    response = column_of(y, "y", n)
    check_size(response, "y")
    weight = np.ones(n) if weights is None else column_of(weights, "weights", n)
    tables = {"X": design.matrix, "y": response, "weights": weight}
    present, notes = present_rows(tables, missing, design.names)
    negative = present & (weight < 0)
    if negative.any():
        row = int(np.argmax(negative))
        raise ValueError(f"weights: expected numbers from 0, got {weight[row]} in row {row}")
    if not (weight[present] > 0).any():
        raise ValueError("weights: expected some above 0, got zeros alone")
    if not present.all():
        design = design._replace(matrix=np.asfortranarray(design.matrix[present]))
        response, weight = response[present], weight[present]
    return _Table(design.matrix, response, weight, design.resolution), notes


def _counting(table: _Table) -> _Table:
    """The rows of weight above 0."""
    counts = table.weights > 0
    if counts.all():
        return table
    X = np.asfortranarray(table.X[counts])
    return _Table(X, table.y[counts], table.weights[counts], table.resolution)


def _solve(names: Sequence[str], table: _Table, penalty: np.ndarray) -> _Solution:
    X, y, weights = _penalised(table, penalty)
    n, p = X.shape
    if n < p:
        raise ValueError(
            f"expected at least as many rows as columns, got {n} rows for {p} "
            f"({', '.join(names[:_SHOWN])}{', ...' if p > _SHOWN else ''}); leave columns out, or "
            "give a ridge"
        )
    weighted = X if (weights == 1).all() else np.sqrt(weights)[:, None] * X
    found = columns = decompose(weighted, resolution=table.resolution)
    kept = np.arange(p)
    if not found.rank:
        raise ValueError("X: expected a column with entries other than zero, got zeros alone")
    if not found.full:
        kept = found.independent
        columns = decompose(weighted[:, kept], resolution=0.0)
    b, residuals = refined(X[:, kept], y, weights, columns)
    coefficients, unscaled = np.full(p, np.nan), np.full((p, p), np.nan)
    coefficients[kept] = b
    own = np.eye(len(kept))
    if penalty.any():  # the part of the rows in what is one with those of the penalties
        own = columns.q[: len(table.y)].T @ columns.q[: len(table.y)]
    unscaled[np.ix_(kept, kept)] = columns.root @ own @ columns.root.T
    freedom = float(np.trace(own))
    return _Solution(coefficients, residuals[: len(table.y)], unscaled, freedom, columns, found)


def _covariance(
    names: Sequence[str], scale: float, unscaled: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The covariance, NaN with a note where a variance does not fit into 64 bits."""
    with np.errstate(over="ignore", under="ignore"):
        covariance = scale * unscaled
    own, variances = np.diag(unscaled), np.diag(covariance)
    fits = (variances >= np.finfo(float).tiny) & np.isfinite(variances)
    lost = np.isfinite(own) & (scale > 0) & ~fits
    if not lost.any():
        return covariance, ()
    covariance[lost] = covariance[:, lost] = np.nan
    listed = ", ".join(name for name, is_lost in zip(names, lost, strict=True) if is_lost)
    return covariance, (
        f"{listed}: the variance is beyond the numbers of 64 bits, so no standard error; give "
        "columns and responses in other units",
    )


def _penalised(table: _Table, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows, and one of response 0 for each penalty, which is its weight."""
    at = np.flatnonzero(penalty)
    if not len(at):
        return table.X, table.y, table.weights
    unit = np.eye(len(penalty))[at]
    return (
        np.concatenate([table.X, unit]),
        np.concatenate([table.y, np.zeros(len(at))]),
        np.concatenate([table.weights, penalty[at]]),
    )


def _statistics(table: _Table, solution: _Solution, rss: float, ridged: bool) -> dict[str, float]:
    n, rank = len(table.y), solution.freedom
    about_mean = _explains_constant(table, solution)
    mean = np.average(table.y, weights=table.weights) if about_mean else 0.0
    total = float(table.weights @ (table.y - mean) ** 2)
    slopes, freedom = rank - about_mean, n - rank
    figures = {}
    if total > 0:
        figures["R-squared"] = 1 - rss / total
        if freedom >= 0.5:
            figures["adjusted R-squared"] = 1 - rss / freedom * (n - about_mean) / total
    if slopes >= 0.5 and not ridged and freedom >= 0.5 and not _is_exact(table, rss):
        figures["F"] = (total - rss) / slopes / (rss / freedom)
        figures["F p-value"] = float(special.fdtrc(slopes, freedom, figures["F"]))
    if not _is_exact(table, rss):
        log = 0.5 * float(np.log(table.weights).sum())
        log -= n / 2 * (np.log(2 * np.pi * rss / n) + 1)
        figures["log likelihood"] = log
        figures["AIC"], figures["BIC"] = 2 * rank - 2 * log, np.log(n) * rank - 2 * log
    figures["condition number"] = solution.columns.condition
    return {name: float(value) for name, value in figures.items()}


def _explains_constant(table: _Table, solution: _Solution) -> bool:
    """Whether a column is constant, or columns without penalty add up to a constant."""
    constant = (table.X[0] == table.X).all(axis=0) & (table.X[0] != 0)
    root, basis = np.sqrt(table.weights), solution.columns.q
    if constant.any() or len(basis) != len(root):
        return bool(constant.any())
    rest = root - basis @ (basis.T @ root)
    return bool(np.linalg.norm(rest) < 1e-10 * np.linalg.norm(root))


def _is_exact(table: _Table, rss: float) -> bool:
    """Whether residuals are rounding: the responses' own, of 64 bits."""
    rounding = 4 * float(np.finfo(float).eps)
    return rss <= rounding**2 * float(table.weights @ table.y**2)


def _notes(
    names: Sequence[str], table: _Table, solution: _Solution, rss: float, ridge: float
) -> list[str]:
    notes = []
    if not solution.found.full:
        words = combination_words(names, solution.found)
        more = f"; and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
        notes.append(
            f"Collinear columns: {'; '.join(words[:_SHOWN])}{more}. The coefficient of the "
            "column on the left is NaN; the others are estimated without it."
        )
    if solution.columns.condition > _ILL_CONDITIONED:
        notes.append(
            f"The columns are nearly collinear: condition number "
            f"{number(solution.columns.condition, 2)} of the scaled columns, by which rounding of "
            "the data is magnified in the coefficients."
        )
    if len(table.y) - solution.freedom < 0.5:
        notes.append("As many coefficients as rows: no row is left to estimate the variance from.")
    elif _is_exact(table, rss):
        notes.append("The fit is exact to rounding: standard errors are those of the rounding.")
    if ridge:
        notes.append(
            f"Ridge {number(ridge)}: the estimate is biased towards 0; standard errors hold its "
            f"spread alone. Effective coefficients: {solution.freedom:.2f}."
        )
    return notes


def _title(weighted: bool, ridge: float) -> str:
    kind = "Ridge regression" if ridge else "Linear least squares"
    return f"{kind}, weighted" if weighted else kind
