"""Negative binomial regression: counts that vary more than Poisson's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from paramjax._checks import check_scalar
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._transforms import positive
from paramjax.estimate.regression._assembly import (
    Problem,
    assembled,
    estimate_of,
    separated,
    separation_note,
)
from paramjax.estimate.regression._counts import check_some, log_offset, log_start
from paramjax.estimate.regression._design import Missing, check_same_rows
from paramjax.estimate.regression._families import NEGATIVE_BINOMIAL, NEGATIVE_BINOMIAL_FIXED
from paramjax.estimate.regression._generalised import (
    Fitted,
    Information,
    Sample,
    covariance_of,
    fit_on,
    sample_of,
)
from paramjax.estimate.regression._responses import numbers_from
from paramjax.estimate.regression._statistics import (
    likelihood_statistics,
)

_LEAST = 1e-6
"""Dispersion that is told from none at all."""
_DISPERSION = "dispersion"


def negative_binomial(
    X: Any,
    y: Any,
    *,
    dispersion: float | None = None,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    names: Sequence[str] | None = None,
    information: Information = "observed",
    missing: Missing = "raise",
) -> Estimate:
    r"""Regression of counts whose variance exceeds their mean by its square.

    $$\log \mu_i = x_i^\top \beta + o_i, \qquad \operatorname{Var} y_i = \mu_i + \alpha \mu_i^2$$
    (the NB2 model of Cameron and Trivedi, 2013, Regression Analysis of Count Data, section 3.3).
    The dispersion alpha is estimated together with the coefficients, as its logarithm, or given.

    Args:
        X: Columns: an array [n, k], a dict of columns, or a table of pandas or polars.
        y: Counts, whole numbers from 0, [n].
        dispersion: Alpha, above 0, if it is known; None estimates it.
        intercept: Whether a column of ones comes first.
        weights: How often each row counts, [n], from 0.
        offset: Added to the log of the mean, [n].
        exposure: Its log is added to the offset, [n], above 0.
        names: Of the columns, without the intercept.
        information: "observed", or "expected": of the coefficients; the dispersion's is observed.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and counts them.

    Returns:
        Coefficients by name, and the `dispersion`, with their covariance. Counts that vary no
        more than Poisson's have a dispersion at its bound, without a standard error.

    Raises:
        TypeError: If columns are not numbers.
        ValueError: If a count is negative, no whole number or all are zero, a column is called
            dispersion, there are fewer rows than parameters, or numbers are missing.

    Example:
        >>> import paramjax as pj
        >>> est = pj.estimate.negative_binomial(
        ...     {"dose": [0, 0, 0, 0, 1, 1, 1, 1]}, [0, 1, 2, 9, 2, 5, 12, 29]
        ... )
        >>> {name: round(float(value), 4) for name, value in est.params.items()}
        {'intercept': 1.0986, 'dose': 1.3863, 'dispersion': 0.8681}
    """
    check_same_rows(X, y)
    sample = sample_of(
        X,
        numbers_from(y, above=False, whole=True, hint="; for others use poisson or gamma"),
        intercept=intercept,
        names=names,
        weights=weights,
        offset=log_offset(offset, exposure),
        missing=missing,
    )
    check_some(sample)
    if dispersion is None:
        return _estimated(sample, intercept, information)
    check_scalar("dispersion", dispersion, low=_LEAST)
    data = {**sample.data, _DISPERSION: np.full(len(sample.y), float(dispersion))}
    family = NEGATIVE_BINOMIAL_FIXED
    problem = Problem(family, sample, data, intercept, information, dispersion=float(dispersion))
    start = log_start(problem)
    fitted = fit_on(problem.basis, family.rows, start, data, sample.weights)
    return estimate_of(problem, fitted, towards=-(sample.y == 0).astype(int))


def _estimated(sample: Sample, intercept: bool, information: Information) -> Estimate:
    if _DISPERSION in sample.design.names:
        raise ValueError(
            "X: expected no column called 'dispersion', which is a parameter of the distribution; "
            "call it otherwise by names"
        )
    problem = Problem(NEGATIVE_BINOMIAL, sample, sample.data, intercept, information)
    start = log_start(problem)
    low = np.append(np.full(problem.rank, -np.inf), np.log(_LEAST))
    fitted = fit_on(
        problem.basis,
        NEGATIVE_BINOMIAL.rows,
        np.append(start, _start_dispersion(problem, start)),
        problem.data,
        sample.weights,
        extra=1,
        low=low,
    )
    alpha = float(np.exp(fitted.theta[-1]))
    return _estimate(dataclasses.replace(problem, dispersion=alpha), fitted, alpha)


def _start_dispersion(problem: Problem, start: np.ndarray) -> float:
    """The log of the dispersion by moments."""
    offset = 0.0 if problem.sample.offset is None else problem.sample.offset
    mean = np.exp(np.minimum(problem.basis.columns @ start + offset, 500.0))
    counts = problem.sample.counts
    excess = (counts * ((problem.y - mean) ** 2 - mean)).sum() / (counts * mean**2).sum()
    return float(np.log(np.clip(excess, 0.02, 20.0)))


def _estimate(problem: Problem, fitted: Fitted, alpha: float) -> Estimate:
    sample, family, names = problem.sample, problem.family, problem.sample.design.names
    everything = (*names, _DISPERSION)
    eta = problem.eta(fitted.theta)
    mean = family.mean(eta)
    information = fitted.maximum.information
    assert information is not None  # Newton's method has one
    if problem.information == "expected":
        information = information.copy()
        information[:-1, :-1] = problem.expected(mean)
        information[-1, :-1] = information[:-1, -1] = 0.0
    covariance, notes = covariance_of(fitted, information, everything)
    slope = np.append(np.ones(len(names)), alpha)
    outcome = fitted.outcome
    if outcome is Outcome.AT_BOUND:
        note = (
            "dispersion: at its bound, for the counts vary no more than Poisson's; no standard "
            "error, and poisson has the same coefficients"
        )
        notes = (*notes, note)
    apart = separated(fitted, problem, -(sample.y == 0).astype(int), eta)
    if apart is not None:
        outcome, notes = Outcome.SEPARATED, (*fitted.notes, separation_note(apart, names))
        covariance = np.full_like(covariance, np.nan)
    best = fitted.maximum.log_likelihood
    statistics = likelihood_statistics(
        best,
        _null_log_likelihood(problem),
        size=problem.rank + 1,
        rows=sample.rows,
        tested=problem.rank - problem.basis.has_constant,
    )
    deviances = {
        "deviance": problem.deviance(mean),
        "null deviance": problem.deviance(problem.null()),
    }
    theta = np.append(fitted.theta[:-1], alpha)
    return assembled(
        problem,
        fitted,
        names=everything,
        theta=theta,
        transforms=(*(None,) * len(names), positive),
        low=np.append(np.full(len(names), -np.inf), np.log(_LEAST)),
        covariance=covariance * np.outer(slope, slope),
        outcome=outcome,
        dof=sample.rows - problem.rank - 1,
        statistics=statistics | deviances | problem.spread(mean),
        notes=(*sample.notes, *notes),
    )


def _null_log_likelihood(problem: Problem) -> float:
    """Of the model without columns but for the intercept, with a dispersion of its own."""
    sample, y = problem.sample, problem.y

    def minus(log_dispersion: float) -> float:
        alpha = np.exp(log_dispersion)
        mean = dataclasses.replace(problem, dispersion=alpha).null()
        size = 1 / alpha
        ways = special.gammaln(y + size) - special.gammaln(size) - special.gammaln(y + 1)
        logs = ways + special.xlogy(y, alpha * mean) - (y + size) * np.log1p(alpha * mean)
        return -float((sample.counts * logs).sum())

    from scipy import optimize  # at the call, for it takes 0.2 s

    bounds = (np.log(_LEAST), np.log(1e6))
    found = optimize.minimize_scalar(minus, bounds=bounds, options={"xatol": 1e-9})
    return -float(found.fun)
