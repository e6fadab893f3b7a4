"""Which rows an estimate hangs on: leverage, studentised residuals, leaving one out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paramjax.estimate._estimate import Estimate
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import slopes
from paramjax.estimate.uncertainty._row_influence import (
    RowInfluence,
    row_hessians,
    row_influence,
)

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2**23
"""Weights of refits that are held at once."""
_ALONE = 1e-12
"""A row whose leverage is 1 to this alone determines a parameter."""


@dataclass(frozen=True, eq=False, repr=False)
class Influence:
    """What each row does to an estimate.

    NaN stands where leaving the row out leaves a parameter undetermined.

    Attributes:
        names: Of the parameters, [p].
        leverage: The share of a response in its own fitted value, from 0 to 1, float64[n].
        residuals: Times the root of the weights, float64[n]; None for maximum likelihood, as
            are the next two.
        standardised: Residuals over their standard deviations (internally studentised), float64[n].
        studentised: The same with the variance of the other rows (externally studentised), which
            follow Student's t with one degree of freedom less than the estimate, float64[n].
        cooks_distance: How far leaving the row out moves the parameters, in the metric of their
            covariance, over p, float64[n].
        dfbetas: By how many standard errors the row pulls each parameter, float64[n, p].
        leave_one_out: The parameters without the row, float64[n, p].
        failed: Rows whose refit did not converge, int[...]; none where there were no refits.
    """

    names: tuple[str, ...]
    leverage: np.ndarray
    residuals: np.ndarray | None
    standardised: np.ndarray | None
    studentised: np.ndarray | None
    cooks_distance: np.ndarray
    dfbetas: np.ndarray
    leave_one_out: np.ndarray
    failed: np.ndarray

    def largest(self, count: int = 5) -> np.ndarray:
        """The rows of the largest Cook's distance, int[count], the largest first."""
        return np.argsort(-np.nan_to_num(self.cooks_distance, nan=np.inf), kind="stable")[:count]

    def to_frame(self) -> pd.DataFrame:
        """A data frame with a row for each row of the data.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        import pandas as pd

        columns = {"leverage": self.leverage, "cooks_distance": self.cooks_distance}
        for name in ("residuals", "standardised", "studentised"):
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name)
        pulls = zip(self.names, self.dfbetas.T, strict=True)
        return pd.DataFrame({**columns, **{f"dfbetas {name}": column for name, column in pulls}})

    def __repr__(self) -> str:
        """The rows that matter most."""
        head = f"Influence of {len(self.leverage)} rows on {len(self.names)} parameters"
        rows = (
            f"  row {row}: Cook's distance {self.cooks_distance[row]:.3g}, "
            f"leverage {self.leverage[row]:.3g}"
            for row in self.largest()
        )
        return "\n".join([head, *rows])


def influence(est: Estimate, *, refit: bool = False) -> Influence:
    r"""Leverage, studentised residuals, Cook's distance, and the estimates without each row.

    $$\hat\theta_{(i)} = \hat\theta + \frac{B J_i w_i r_i}{1 - h_i}, \quad
    h_i = w_i J_i^\top B J_i$$
    for residuals r with derivatives J and $B = (J^\top W J)^{-1}$ (Belsley, Kuh and Welsch, 1980;
    Cook and Weisberg, 1982): exact for a linear regression, one step of Gauss and Newton for a
    nonlinear one, and of Newton for maximum likelihood, whose leverage is the trace of B times
    the row's own information (Pregibon, 1981).

    Args:
        est: Of least squares, linear or not, or of maximum likelihood.
        refit: Whether to estimate anew without each row, all as one population, rather than by
            one step.

    Returns:
        One entry for each row; residuals for least squares alone.

    Raises:
        ValueError: If the estimate has no objective or no standard errors, or its covariance is
            robust or penalised.

    Example:
        >>> import paramjax as pj
        >>> x = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
        >>> est = pj.estimate.linear({"x": x}, [0.1, 0.9, 2.1, 2.9, 14.0])
        >>> pj.estimate.influence(est).largest(1).tolist()
        [4]
        >>> pj.estimate.influence(est).leave_one_out[4].round(3).tolist()
        [0.06, 0.96]
    """
    found = row_influence(est, "influence")
    if found.leverage is None:
        leverage, changes = _newton_step(est, found)
    else:
        leverage, changes = found.leverage, _gauss_newton_step(found, found.leverage)
    failed = np.zeros(0, int)
    if refit:
        without, failed = _refitted(est)
        changes = (without - est.theta)[:, found.known]
    standardised = studentised = None
    scale, spread = 1.0, np.ones(len(leverage))  # the inverse information of likelihood has it
    if found.residuals is not None:
        left, scale = _left(leverage), est.scale
        spread = _spread_without(est, found.residuals, left)
        standardised = found.residuals / np.sqrt(scale * left)
        studentised = found.residuals / (spread * np.sqrt(left))
    metric = np.linalg.solve(found.root, changes.T).T  # its square is Cook's
    errors = spread[:, None] * np.sqrt((found.root**2).sum(axis=1))
    stays = np.where(np.isnan(est.theta), np.nan, 0.0)
    return Influence(
        names=est.names,
        leverage=leverage,
        residuals=found.residuals,
        standardised=standardised,
        studentised=studentised,
        cooks_distance=(metric**2).sum(axis=1) / (scale * len(errors.T)),
        dfbetas=_whole(-changes / errors, found.known),
        leave_one_out=est.theta + _whole(changes, found.known, stays),
        failed=failed,
    )


def _left(leverage: np.ndarray) -> np.ndarray:
    """1 - leverage, NaN where nothing is left."""
    left = 1 - leverage
    return np.where(left > _ALONE, left, np.nan)


def _gauss_newton_step(found: RowInfluence, leverage: np.ndarray) -> np.ndarray:
    changes: np.ndarray = -found.pulls / _left(leverage)[:, None]
    return changes


def _newton_step(est: Estimate, found: RowInfluence) -> tuple[np.ndarray, np.ndarray]:
    """Leverage, and changes of the known parameters, on the user's scale."""
    known, weights = found.known, found.weights
    slope = slopes(est.parameters, est.parameters.to_solver(est.theta))[known]
    own = -row_hessians(est)[:, known][:, :, known] / np.outer(slope, slope)
    own *= weights[:, None, None] / est.scale  # rows of likelihood are for a dispersion of 1
    inner = found.root.T @ own @ found.root  # of the identity that the whole is
    leverage = np.trace(inner, axis1=1, axis2=2)
    scores = np.linalg.solve(found.root, found.pulls.T).T
    rest = np.eye(len(found.root)) - inner
    alone = np.linalg.eigvalsh(rest)[:, 0] < _ALONE
    rest[alone] = np.nan
    steps = np.linalg.solve(rest, scores[..., None])[..., 0]
    return leverage, -steps @ found.root.T


def _spread_without(est: Estimate, residuals: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Standard deviation of a residual of weight 1 by the other rows."""
    if est.reference == "normal":
        return np.full(len(residuals), np.sqrt(est.scale))
    others = est.scale * est.dof - residuals**2 / left
    with np.errstate(divide="ignore", invalid="ignore"):
        spread: np.ndarray = np.sqrt(np.maximum(others, 0.0) / (est.dof - 1))
    return spread


def _whole(part: np.ndarray, known: np.ndarray, rest: float | np.ndarray = np.nan) -> np.ndarray:
    """Columns of known parameters among all."""
    whole = np.broadcast_to(np.asarray(rest, np.float64), (len(part), len(known))).copy()
    whole[:, known] = part
    return whole


def _refitted(est: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """Estimates without each row on the user's scale, and rows whose refits failed."""
    objective = est.objective
    assert objective is not None
    start = est.parameters.to_solver(est.theta)
    n = len(objective.evaluate(start)[0])
    weights = np.ones(n) if objective.weights is None else objective.weights
    thetas, failed = [], []
    block = max(1, _BLOCK // n)
    for first in range(0, n, block):
        rows = np.arange(first, min(first + block, n))
        own = np.tile(weights, (len(rows), 1))
        own[np.arange(len(rows)), rows] = 0.0
        solved = objective.solve_many(np.tile(start, (len(rows), 1)), weights=own)
        ended = np.isin(solved.outcome, [Outcome.CONVERGED.code, Outcome.AT_BOUND.code])
        thetas.append(np.where(ended[:, None], solved.theta, np.nan))
        failed.append(rows[~ended])
    return est.parameters.to_user(np.concatenate(thetas)), np.concatenate(failed)
