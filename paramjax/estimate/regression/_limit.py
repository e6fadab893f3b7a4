"""Where coefficients go as a likelihood rises without end: separated rows become certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paramjax.estimate.regression._generalised import Fitted, basis_of, fit_on
from paramjax.estimate.regression._separation import Separation

if TYPE_CHECKING:
    from paramjax.estimate.regression._assembly import Problem

_CERTAIN = 37.0
"""Linear predictors beyond which a probability is one to rounding."""


def limit_of(problem: Problem, fitted: Fitted, apart: Separation) -> Fitted:
    """The fit of the rows that nothing separates, and so far along the direction as counts.

    Iterations that run after a maximum at infinity leave the digits of 64 bits; in the limit the
    separated rows have a likelihood of one, and the others alone decide (Albert and Anderson,
    1984). Of complete separation nothing is left to decide.

    Args:
        problem: The model.
        fitted: Where the iterations ended.
        apart: What separates which rows.
    """
    rest = ~apart.moved
    if not rest.any():
        return fitted
    sample = problem.sample
    matrix = sample.design.matrix
    basis = basis_of(sample.design._replace(matrix=matrix[rest]))
    offset = 0.0 if sample.offset is None else sample.offset
    near = np.clip(problem.eta(fitted.theta) - offset, -5.0, 5.0)[rest]
    part = fit_on(
        basis,
        problem.family.rows,
        basis.columns.T @ near / rest.sum(),
        {name: column[rest] for name, column in problem.data.items()},
        None if sample.weights is None else sample.weights[rest],
    )
    direction = np.where(apart.endless, apart.direction, 0.0)
    direction -= part.root @ (basis.columns.T @ (matrix[rest] @ direction)) / rest.sum()
    least = np.abs(matrix[apart.moved] @ direction).min()
    reach = _CERTAIN + np.abs(problem.eta(part.theta)[apart.moved]).max()
    theta = part.theta + reach / least * direction if least > 0 else part.theta
    maximum = part.maximum._replace(iterations=fitted.maximum.iterations)
    return fitted._replace(maximum=maximum, theta=theta)
