"""The estimate of a generalised linear model from its solution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paramjax.estimate._estimate import Estimate
from paramjax.estimate._linear_algebra import inverse_gram
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._transforms import Transform
from paramjax.estimate.regression._design import coefficients_of
from paramjax.estimate.regression._families import Family, Number, curves_of
from paramjax.estimate.regression._generalised import (
    Basis,
    Fitted,
    Information,
    Sample,
    covariance_of,
    newton_of,
)
from paramjax.estimate.regression._limit import limit_of
from paramjax.estimate.regression._separation import Separation, separation_of
from paramjax.estimate.regression._statistics import (
    likelihood_statistics,
    null_mean,
)

_LARGE = 12.0
"""Linear predictors beyond this, in log odds or logs of a mean, may be signs of separation."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A generalised linear model and its rows.

    Attributes:
        family: Distribution and link.
        sample: Rows.
        data: What the log probabilities read.
        intercept: Whether the design has one of its own.
        information: Which one the covariance inverts.
        each: Trials of each row; 1 where the response is no count of successes.
        dispersion: By which variances depend on more than the mean.
    """

    family: Family
    sample: Sample
    data: dict[str, np.ndarray]
    intercept: bool
    information: Information
    each: Number = 1.0
    dispersion: Number = 1.0

    def __post_init__(self) -> None:
        """Refuse another information."""
        if self.information not in ("observed", "expected"):
            raise ValueError(
                f'information: expected "observed" or "expected", got {self.information!r}'
            )

    @property
    def y(self) -> np.ndarray:
        """The response, or the successes."""
        return self.data["y"]

    @property
    def basis(self) -> Basis:
        """Orthogonal columns."""
        return self.sample.basis

    @property
    def rank(self) -> int:
        """Coefficients that the columns determine."""
        return int(self.basis.columns.shape[1])

    def eta(self, theta: np.ndarray) -> np.ndarray:
        """The linear predictor."""
        matrix = self.sample.design.matrix
        offset = 0.0 if self.sample.offset is None else self.sample.offset
        eta: np.ndarray = matrix @ theta[: matrix.shape[1]] + offset
        return eta

    def expected_weights(self, mean: np.ndarray) -> np.ndarray:
        """Diagonal of the expected information of the linear predictor, [n]."""
        slope = self.each * self.family.slope(mean)
        variance = self.family.variance(mean, self.dispersion)
        return _ratio(self.sample.counts * slope**2, variance)

    def expected(self, mean: np.ndarray) -> np.ndarray:
        """The expected information on the basis, [r, r]."""
        columns = self.basis.columns
        found: np.ndarray = columns.T @ (columns * self.expected_weights(mean)[:, None])
        return found

    def deviance(self, mean: np.ndarray) -> float:
        """Of the response from a mean."""
        each = self.family.deviance(self.y, mean, self.dispersion)
        return float((self.sample.counts * each).sum())

    def pearson(self, mean: np.ndarray) -> float:
        """Squared residuals over their variances, summed."""
        variance = self.family.variance(mean, self.dispersion)
        return float(_ratio(self.sample.counts * (self.y - self.each * mean) ** 2, variance).sum())

    def spread(self, mean: np.ndarray) -> dict[str, float]:
        """Pearson's statistic, and its share of the degrees of freedom: 1 if the variance fits."""
        pearson, dof = self.pearson(mean), self.sample.rows - self.rank
        return {
            "Pearson chi-squared": pearson,
            "Pearson dispersion": pearson / dof if dof else np.nan,
        }

    def null(self) -> np.ndarray:
        """The mean of the model without columns but for the intercept."""
        return null_mean(
            self.family,
            self.sample,
            self.y,
            dispersion=self.dispersion,
            trials=self.each,
            constant=self.basis.has_constant,
        )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """0 where nothing varies: a mean of 0 or 1, to rounding."""
    found: np.ndarray = above / np.where(below > 0, below, np.inf)
    return found


def estimate_of(
    problem: Problem, fitted: Fitted, *, towards: np.ndarray, notes: tuple[str, ...] = ()
) -> Estimate:
    """The estimate of a model whose dispersion is known.

    Args:
        problem: The model.
        fitted: Its solution.
        towards: Where the linear predictor of each row may go without loss, see `separation_of`.
        notes: About the response.
    """
    names, sample = problem.sample.design.names, problem.sample
    apart = separated(fitted, problem, towards, problem.eta(fitted.theta))
    if apart is not None:
        fitted = limit_of(problem, fitted, apart)
    mean = problem.family.mean(problem.eta(fitted.theta))
    information = fitted.maximum.information
    if problem.information == "expected" or information is None:
        information = problem.expected(mean)
    outcome = fitted.outcome
    if apart is not None:
        outcome, found = Outcome.SEPARATED, (*fitted.notes, separation_note(apart, names))
        covariance = _covariance_apart(problem, apart, mean)
    else:
        covariance, found = covariance_of(fitted, information, names)
    deviance, null_deviance = problem.deviance(mean), problem.deviance(problem.null())
    best = fitted.maximum.log_likelihood
    statistics = likelihood_statistics(
        best,
        best - (null_deviance - deviance) / 2,
        size=problem.rank,
        rows=sample.rows,
        tested=problem.rank - problem.basis.has_constant,
    )
    statistics |= {
        "deviance": deviance,
        "null deviance": null_deviance,
        **problem.spread(mean),
    }
    return assembled(
        problem,
        fitted,
        covariance=covariance,
        outcome=outcome,
        statistics=statistics,
        notes=(*sample.notes, *notes, *found),
    )


def assembled(
    problem: Problem,
    fitted: Fitted,
    *,
    names: tuple[str, ...] | None = None,
    theta: np.ndarray | None = None,
    transforms: tuple[Transform | None, ...] | None = None,
    low: np.ndarray | None = None,
    **fields: Any,
) -> Estimate:
    """An estimate with what all these models share.

    Args:
        problem: The model.
        fitted: Its solution.
        names: Of all parameters, if there are more than the columns.
        theta: All parameters on the user's scale.
        transforms: To it.
        low: Lower bounds, on the solver's scale.
        **fields: Of the estimate.
    """
    sample, family = problem.sample, problem.family
    design = sample.design.names
    theta = fitted.theta if theta is None else theta
    parameters = replace(coefficients_of(names or design, theta), transforms=transforms)
    linear, mean = curves_of(family.link, design, problem.intercept)
    objective = Objective(
        "log_prob",
        parameters,
        family.rows,
        problem.data,
        newton_of(family.rows),
        weights=sample.weights,
        low=low,
        predict=mean,
        linear=linear,
        link=family.link,
        simulate=family.simulate,
    )
    shared: dict[str, Any] = {
        "title": family.title,
        "value": fitted.maximum.log_likelihood,
        "rows": sample.rows,
        "dof": sample.rows - problem.rank,
        "reference": "normal",
        "covariance_kind": f"{problem.information} information",
        "iterations": fitted.maximum.iterations,
        "objective": objective,
    }
    params = parameters.tree(theta)
    return Estimate(params=params, parameters=parameters, **shared | fields)


def separated(
    fitted: Fitted, problem: Problem, towards: np.ndarray, eta: np.ndarray
) -> Separation | None:
    """What separates the responses, looked for only where the solution shows signs of it."""
    if not is_suspicious(fitted, eta) or not towards.any():
        return None
    information = fitted.maximum.information
    if information is not None:  # of the coefficients alone
        information = information[: problem.rank, : problem.rank]
    matrix = problem.sample.design.matrix
    return separation_of(matrix, problem.basis, towards, information=information)


def is_suspicious(fitted: Fitted, eta: np.ndarray) -> bool:
    """Whether a solution shows signs of a likelihood without maximum."""
    fine = fitted.maximum.outcome in (Outcome.CONVERGED, Outcome.AT_BOUND)
    return not fine or bool(np.abs(eta).max() >= _LARGE)


def separation_note(apart: Separation, names: tuple[str, ...]) -> str:
    """Which columns separate what, as a sentence."""
    listed = ", ".join(names[at] for at in apart.columns)
    kind = "complete" if apart.complete else "quasi-complete"
    rows = "all rows" if apart.complete else f"{apart.moved.sum()} of {len(apart.moved)} rows"
    predicts, it = ("predicts", "it") if len(apart.columns) == 1 else ("predict", "them")
    return (
        f"Separation ({kind}): {listed} {predicts} the response of {rows} without error, so the "
        f"likelihood has no maximum; leave {it} out, or join categories"
    )


def _covariance_apart(problem: Problem, apart: Separation, mean: np.ndarray) -> np.ndarray:
    """In the limit, separated rows tell nothing about the coefficients that have an estimate."""
    rest = ~apart.moved
    p = problem.sample.design.matrix.shape[1]
    if not rest.any():
        return np.full((p, p), np.nan)
    root = np.sqrt(problem.expected_weights(mean)[rest])
    return inverse_gram(root[:, None] * problem.sample.design.matrix[rest])[0]
