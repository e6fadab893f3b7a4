"""Poisson regression: the log of a mean count is linear in the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paramjax.estimate._estimate import Estimate
from paramjax.estimate.regression._assembly import Problem, estimate_of
from paramjax.estimate.regression._counts import check_some, log_offset, log_start
from paramjax.estimate.regression._design import Missing, check_same_rows
from paramjax.estimate.regression._families import POISSON
from paramjax.estimate.regression._generalised import Information, fit_on, sample_of
from paramjax.estimate.regression._responses import numbers_from


def poisson(
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    names: Sequence[str] | None = None,
    information: Information = "observed",
    missing: Missing = "raise",
) -> Estimate:
    r"""Regression of counts, whose variance is their mean.

    $$\log \mu_i = x_i^\top \beta + o_i, \qquad \operatorname{Var} y_i = \mu_i$$
    by Newton's method (Nelder and Wedderburn, 1972; McCullagh and Nelder, 1989, Generalized
    Linear Models, chapter 6). A "Pearson dispersion" far above 1 in the statistics says that
    counts vary more: take `robust` standard errors, or `negative_binomial`.

    Args:
        X: Columns: an array [n, k], a dict of columns, or a table of pandas or polars.
        y: Counts from 0, [n]; fractions are taken, and a note says so.
        intercept: Whether a column of ones comes first.
        weights: How often each row counts, [n], from 0.
        offset: Added to the log of the mean, [n].
        exposure: Time, area or people that each count comes from, [n], above 0: its log is added
            to the offset.
        names: Of the columns, without the intercept.
        information: "observed" or "expected"; for the log link both are the same.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and counts them.

    Returns:
        Coefficients by name, in logs of the mean a unit, with their covariance. If columns set
        counts of zero apart, the outcome is SEPARATED, and a note names them.

    Raises:
        TypeError: If columns are not numbers.
        ValueError: If a count is negative or all are zero, an exposure is not above 0, there are
            fewer rows than coefficients, or numbers are missing.

    Example:
        >>> import paramjax as pj
        >>> est = pj.estimate.poisson({"dose": [0, 0, 0, 1, 1]}, [1, 2, 3, 6, 10])
        >>> {name: round(float(value), 4) for name, value in est.params.items()}
        {'intercept': 0.6931, 'dose': 1.3863}
    """
    check_same_rows(X, y)
    sample = sample_of(
        X,
        numbers_from(y, above=False, whole=False, hint=""),
        intercept=intercept,
        names=names,
        weights=weights,
        offset=log_offset(offset, exposure),
        missing=missing,
    )
    check_some(sample)
    problem = Problem(POISSON, sample, sample.data, intercept, information)
    start = log_start(problem)
    fitted = fit_on(problem.basis, POISSON.rows, start, problem.data, sample.weights)
    notes = ("y holds fractions: take robust standard errors",) if (sample.y % 1).any() else ()
    return estimate_of(problem, fitted, towards=-(sample.y == 0).astype(int), notes=notes)
