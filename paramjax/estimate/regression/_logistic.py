"""Logistic regression: the log odds of one of two classes are linear in the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paramjax.estimate._estimate import Estimate
from paramjax.estimate.regression._assembly import Problem, estimate_of
from paramjax.estimate.regression._design import Missing, check_same_rows
from paramjax.estimate.regression._families import BINOMIAL
from paramjax.estimate.regression._generalised import Information, Sample, fit_on, sample_of
from paramjax.estimate.regression._responses import Binary, binary_response


def logistic(
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    names: Sequence[str] | None = None,
    information: Information = "observed",
    missing: Missing = "raise",
) -> Estimate:
    r"""Regression of a response of two classes, or of successes in so many trials.

    $$\log \frac{\pi_i}{1 - \pi_i} = x_i^\top \beta + o_i$$
    The likelihood is maximised by Newton's method, on orthogonal columns, so that the scale of
    the columns and their correlation cost no digits (Cox, 1958; McCullagh and Nelder, 1989,
    Generalized Linear Models, chapter 4).

    Args:
        X: Columns: an array [n, k], a dict of columns, or a table of pandas or polars.
        y: Classes [n]: booleans, 0 and 1, or two values of any kind, of which the later in
            sorted order is the success; shares of successes in [0, 1], with the trials as
            weights; or successes and failures [n, 2].
        intercept: Whether a column of ones comes first.
        weights: How often each row counts, [n], from 0.
        offset: Added to the log odds, [n].
        names: Of the columns, without the intercept.
        information: "observed" or "expected"; for the logistic link both are the same.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and counts them.

    Returns:
        Coefficients by name, in log odds a unit, with their covariance. If columns separate the
        classes, the outcome is SEPARATED, a note names them, and coefficients that have no
        finite estimate have no standard error.

    Raises:
        TypeError: If columns are not numbers.
        ValueError: If the response has fewer or more than two classes, lies outside of its
            range, there are fewer rows than coefficients, or numbers are missing.

    Example:
        >>> import paramjax as pj
        >>> hours, passed = [1, 2, 3, 4, 5, 6], ["no", "no", "yes", "no", "yes", "yes"]
        >>> est = pj.estimate.logistic({"hours": hours}, passed)
        >>> est.outcome, round(float(est.params["hours"]), 4), round(float(est.stderr["hours"]), 4)
        ('converged', 1.214, 0.9126)
    """
    check_same_rows(X, y)
    binary = binary_response(y)
    sample = sample_of(
        X,
        binary.of_rows,
        intercept=intercept,
        names=names,
        weights=weights,
        offset=offset,
        missing=missing,
    )
    problem = _problem(sample, binary, intercept, information)
    start = np.zeros(problem.basis.columns.shape[1])
    fitted = fit_on(problem.basis, BINOMIAL.rows, start, problem.data, sample.weights)
    each = problem.each
    towards = np.where(problem.y == each, 1, np.where(problem.y == 0, -1, 0))
    return estimate_of(problem, fitted, towards=towards, notes=binary.notes)


def _problem(sample: Sample, binary: Binary, intercept: bool, information: Information) -> Problem:
    """The successes of the rows, and their trials unless each row is one."""
    data, trials = sample.data, None
    if sample.y.ndim == 2:
        trials = sample.y.sum(axis=1)
        data |= {"y": sample.y[:, 0], "trials": trials}
    each = 1.0 if trials is None else trials
    binary.check_both((sample.counts * data["y"]).sum(), (sample.counts * each).sum())
    return Problem(BINOMIAL, sample, data, intercept, information, each=each, dispersion=each)
