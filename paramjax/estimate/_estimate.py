"""What an estimation found: parameters, their covariance, and how it ended."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy import special

from paramjax._types import Params
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters, slopes
from paramjax.estimate.summaries._figure import figure_of
from paramjax.estimate.summaries._frame import frame_of, short_text
from paramjax.estimate.summaries._summary import Summary, summary_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Interval(NamedTuple):
    """Lower and upper ends, each a pytree of the form of the parameters.

    Attributes:
        low: Lower ends.
        high: Upper ends.
    """

    low: Params
    high: Params


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """Parameters with their uncertainty.

    Attributes:
        params: The estimate, a pytree of the form of the start, float64.
        covariance: Of the parameters in the order of `names`, float64[p, p]; NaN for those that
            the data do not determine or that lie at a bound.
        outcome: How the estimation ended.
        parameters: Names and shapes.
        objective: What was minimised, for refits; None if it came without.
        title: What was estimated, such as "Least squares".
        value: The weighted sum of squared residuals, or the log likelihood.
        rows: Observations that count.
        dof: Degrees of freedom of the residuals: rows less parameters that were estimated.
        scale: Variance of the residuals, by which the covariance was multiplied; 1 where it is
            known or there is none.
        reference: "t" where the scale was estimated, else "normal".
        covariance_kind: Such as "observed information" or "HC1".
        statistics: Further figures for the summary, by name: "R-squared", "AIC", "deviance".
        notes: Sentences that a reader must know: dropped rows, collinear columns, bounds.
        iterations: Of the solver.
    """

    params: Params
    covariance: np.ndarray
    outcome: Outcome
    parameters: Parameters
    objective: Objective | None
    title: str
    value: float
    rows: int
    dof: int
    scale: float = 1.0
    reference: Literal["t", "normal"] = "t"
    covariance_kind: str = "observed information"
    statistics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    iterations: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each number, [p]."""
        return self.parameters.names

    @cached_property
    def theta(self) -> np.ndarray:
        """The numbers of the estimate, float64[p], in the order of `names`."""
        return self.parameters.flat(self.params)

    @cached_property
    def errors(self) -> np.ndarray:
        """Standard errors as a flat vector, float64[p], in the order of `names`."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def stderr(self) -> Params:
        """Standard errors, a pytree of the form of the parameters; NaN for those held fixed."""
        tree: Params = self.parameters.tree(self.errors, held=np.nan)
        return tree

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the estimates, float64[p, p]."""
        correlation: np.ndarray = self.covariance / np.outer(self.errors, self.errors)
        return correlation

    def interval(self, level: float = 0.95) -> Interval:
        """Wald intervals: the estimate, and a quantile times its standard error on both sides.

        A parameter with a transform has its interval on the scale of the transform, mapped back.

        Args:
            level: Of confidence, in (0, 1).

        Returns:
            Lower and upper ends; by Student's t where the variance was estimated, else normal.

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        low, high = self._ends(self.quantile(0.5 + check_level(level) / 2))
        tree = self.parameters.tree
        return Interval(tree(low, held=np.nan), tree(high, held=np.nan))

    def _ends(self, quantile: float) -> tuple[np.ndarray, np.ndarray]:
        """Of the intervals, on the scale on which the solver moved, then on that of the user."""
        parameters = self.parameters
        if parameters.transforms is None:
            return self.theta - quantile * self.errors, self.theta + quantile * self.errors
        middle = parameters.to_solver(self.theta)
        half = quantile * self.errors / np.abs(slopes(parameters, middle))
        ends = parameters.to_user(np.stack([middle - half, middle + half]))
        return ends.min(axis=0), ends.max(axis=0)

    def summary(self, level: float = 0.95) -> Summary:
        """The table of R and statsmodels: estimates, errors, tests, intervals, statistics, notes.

        Printed it is text of 80 columns; a notebook shows it as HTML, and `.latex()` is a table for
        a paper.

        Args:
            level: Of the intervals, in (0, 1).

        Returns:
            The summary.

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        return summary_of(self, check_level(level))

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """A data frame with a row for each parameter.

        Args:
            level: Of the intervals, in (0, 1).

        Returns:
            Columns estimate, stderr, t (or z), p_value, low and high.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
            ValueError: If the level lies outside (0, 1).
        """
        return frame_of(self, check_level(level))

    def plot(self, level: float = 0.95) -> Figure:
        """Draw the fit with its bands, residuals, their quantiles, and correlations of estimates.

        The fit is drawn where `curve_fit` or `linear` had one input, else the estimates with
        their intervals. Residuals are multiplied by the root of their weights.

        Args:
            level: Of the bands, in (0, 1).

        Returns:
            A figure; `figure.savefig("fit.png")` keeps it, and a notebook shows it.

        Raises:
            ModuleNotFoundError: Without matplotlib.
            ValueError: If the level lies outside (0, 1), or there is nothing to draw.
        """
        return figure_of(self, check_level(level))

    def __repr__(self) -> str:
        """The outcome, and the first parameters with their standard errors."""
        return short_text(self)

    def _repr_html_(self) -> str:
        """The summary in a notebook."""
        return summary_of(self, 0.95)._repr_html_()

    def __getstate__(self) -> dict[str, Any]:
        """All but the objective, whose functions no pickle holds; refits need a new fit."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"objective": None}

    def __copy__(self) -> Estimate:
        """A copy with the same objective."""
        return replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Estimate:
        """A copy with numbers of its own, and the same objective."""
        params, covariance = copy.deepcopy((self.params, self.covariance), memo)
        return replace(self, params=params, covariance=covariance)

    def quantile(self, probability: float) -> float:
        """Of the distribution that the estimates' errors follow, over their standard errors."""
        if self.reference == "t":
            return float(special.stdtrit(self.dof, probability))
        return float(special.ndtri(probability))


def check_level(level: float) -> float:
    """The level of confidence, if it lies in (0, 1)."""
    if not isinstance(level, Real) or not 0.0 < level < 1.0:
        raise ValueError(f"level: expected a number in (0, 1) such as 0.95, got {level!r}")
    return level
