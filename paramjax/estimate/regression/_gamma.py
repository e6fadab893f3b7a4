"""Gamma regression: positive responses whose deviation grows with their mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import special

from paramjax.estimate._estimate import Estimate
from paramjax.estimate.regression._assembly import Problem, assembled
from paramjax.estimate.regression._counts import log_offset, log_start
from paramjax.estimate.regression._design import Missing, check_same_rows
from paramjax.estimate.regression._families import GAMMA, GAMMA_INVERSE
from paramjax.estimate.regression._generalised import (
    Fitted,
    Information,
    covariance_of,
    fit_on,
    sample_of,
)
from paramjax.estimate.regression._responses import numbers_from
from paramjax.estimate.regression._statistics import likelihood_statistics

_EXACT = 1e-26
"""Dispersion that is told from the rounding of an exact fit."""


def gamma(
    X: Any,
    y: Any,
    *,
    link: Literal["log", "inverse"] = "log",
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    names: Sequence[str] | None = None,
    information: Information = "expected",
    missing: Missing = "raise",
) -> Estimate:
    r"""Regression of positive responses with a constant coefficient of variation.

    $$g(\mu_i) = x_i^\top \beta + o_i, \qquad \operatorname{Var} y_i = \phi\, \mu_i^2$$
    with g the logarithm, or the reciprocal, which is the canonical link. The dispersion phi is
    Pearson's statistic over the degrees of freedom; it scales the covariance, and so intervals
    are Student's (McCullagh and Nelder, 1989, Generalized Linear Models, chapter 8).

    Args:
        X: Columns: an array [n, k], a dict of columns, or a table of pandas or polars.
        y: Responses above 0, [n].
        link: "log", or "inverse" for a reciprocal mean that is linear.
        intercept: Whether a column of ones comes first.
        weights: How often each row counts, [n], from 0.
        offset: Added to the linear predictor, [n].
        exposure: Its log is added to the offset, [n], above 0; for the log link.
        names: Of the columns, without the intercept.
        information: "expected", as packages of generalised linear models give it, or "observed",
            on which statsmodels builds its robust errors.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and counts them.

    Returns:
        Coefficients by name with their covariance; the dispersion is its `scale`.

    Raises:
        TypeError: If columns are not numbers.
        ValueError: If a response is not above 0 or all are equal, the link is another, there are
            fewer rows than coefficients, or numbers are missing.

    Example:
        >>> import paramjax as pj
        >>> est = pj.estimate.gamma({"dose": [0, 0, 1, 1]}, [1.0, 3.0, 5.0, 11.0])
        >>> {name: round(float(value), 4) for name, value in est.params.items()}
        {'intercept': 0.6931, 'dose': 1.3863}
        >>> round(est.scale, 4)
        0.3906
    """
    if link not in ("log", "inverse"):
        raise ValueError(f'link: expected "log" or "inverse", got {link!r}')
    if link == "inverse" and exposure is not None:
        raise ValueError("exposure: expected none with the inverse link, got one; use link='log'")
    check_same_rows(X, y)
    sample = sample_of(
        X,
        numbers_from(y, above=True, whole=False, hint=""),
        intercept=intercept,
        names=names,
        weights=weights,
        offset=log_offset(offset, exposure),
        missing=missing,
    )
    if len(sample.y) > 1 and (sample.y == sample.y[0]).all() and sample.offset is None:
        raise ValueError(
            f"y: expected responses that differ, got {sample.y[0]:g} in every row: its dispersion "
            "cannot be estimated"
        )
    family = GAMMA if link == "log" else GAMMA_INVERSE
    data = {**sample.data, "dispersion": np.ones(len(sample.y))}
    problem = Problem(family, sample, data, intercept, information)
    start = log_start(problem, 0.0) if link == "log" else _inverse_start(problem)
    return _estimate(problem, fit_on(problem.basis, family.rows, start, data, sample.weights))


def _inverse_start(problem: Problem) -> np.ndarray:
    """Weighted least squares of the reciprocals, or a constant if that is not positive."""
    sample, columns = problem.sample, problem.basis.columns
    offset = np.zeros(len(problem.y)) if sample.offset is None else sample.offset
    root = np.sqrt(sample.counts) * problem.y
    working = 1 / problem.y - offset
    start: np.ndarray = np.linalg.lstsq(root[:, None] * columns, root * working, rcond=None)[0]
    if (columns @ start + offset > 0).all():
        return start
    flat = 1 / np.average(problem.y, weights=sample.counts) - offset
    start = np.linalg.lstsq(columns, flat, rcond=None)[0]
    return start


def _estimate(problem: Problem, fitted: Fitted) -> Estimate:
    sample, family = problem.sample, problem.family
    mean = family.mean(problem.eta(fitted.theta))
    spread = problem.spread(mean)
    scale, notes = _scale(spread)
    information = fitted.maximum.information
    if problem.information == "expected" or information is None:
        information = problem.expected(mean)
    covariance, found = covariance_of(fitted, information, sample.design.names)
    deviance, null = problem.deviance(mean), problem.deviance(problem.null())
    best = _log_likelihood(problem, mean, scale)
    statistics = likelihood_statistics(
        best,
        best - (null - deviance) / (2 * scale),
        size=problem.rank,
        rows=sample.rows,
        tested=problem.rank - problem.basis.has_constant,
    )
    carried = {**problem.data, "dispersion": np.full(len(problem.y), scale)}
    return assembled(
        dataclasses.replace(problem, data=carried),
        fitted,
        covariance=scale * covariance,
        outcome=fitted.outcome,
        value=best,
        scale=scale,
        reference="t",
        statistics=statistics | {"deviance": deviance, "null deviance": null} | spread,
        notes=(*sample.notes, *found, *notes),
    )


def _scale(spread: dict[str, float]) -> tuple[float, tuple[str, ...]]:
    """The dispersion, NaN with a note where it cannot be estimated."""
    scale = spread["Pearson dispersion"]
    reason = ""
    if np.isnan(scale):
        reason = "as many coefficients as rows"
    elif scale < _EXACT:
        reason = "the fit is exact to rounding"
    if not reason:
        return scale, ()
    return np.nan, (f"{reason}: the dispersion cannot be estimated, so no standard errors",)


def _log_likelihood(problem: Problem, mean: np.ndarray, scale: float) -> float:
    """At a dispersion: of gamma distributions of shape 1 / scale."""
    shape, y = 1 / scale, problem.y
    logs = shape * np.log(shape * y / mean) - shape * y / mean - np.log(y) - special.gammaln(shape)
    return float((problem.sample.counts * logs).sum())
