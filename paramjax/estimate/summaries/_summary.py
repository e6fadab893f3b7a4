"""The summary of an estimate, as R and statsmodels print it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import special

from paramjax._format import number
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import parameters_of
from paramjax.estimate.summaries._cells import p_text
from paramjax.estimate.summaries._html import html_of
from paramjax.estimate.summaries._latex import latex_of
from paramjax.estimate.summaries._text import text_of

if TYPE_CHECKING:
    from paramjax.estimate._estimate import Estimate

_SENTENCES = {
    Outcome.CONVERGED: "converged",
    Outcome.AT_BOUND: "converged, with a parameter at its bound",
    Outcome.SINGULAR: "converged, but the data do not determine every parameter",
    Outcome.SEPARATED: "no maximum: the likelihood rises without end",
    Outcome.STUCK: "stuck: no step lowers the objective, and its gradient is not zero",
    Outcome.UNFINISHED: "unfinished: the largest number of iterations came first",
    Outcome.NONFINITE: "failed: the objective is not finite",
}


class Row(NamedTuple):
    """One parameter in a summary.

    Attributes:
        name: Of the parameter.
        estimate: Its value.
        error: Standard error; NaN where the data do not determine it.
        ratio: The estimate over its standard error.
        p_value: Of the hypothesis that the parameter is 0, two-sided.
        low: Lower end of the interval.
        high: Upper end.
    """

    name: str
    estimate: float
    error: float
    ratio: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What an estimate says; `str` is text of 80 columns, and a notebook shows a table.

    Attributes:
        title: What was estimated.
        outcome: How it ended, in words.
        facts: Rows, degrees of freedom and the like, as texts by name.
        rows: The parameters.
        symbol: "t" or "z": the distribution of the ratios.
        level: Of the intervals.
        statistics: Further figures, as texts by name.
        notes: Sentences that a reader must know.

    Example:
        >>> import paramjax as pj
        >>> x, y = np.array([0.0, 1, 2, 3, 4]), np.array([1.1, 2.9, 5.2, 6.8, 9.0])
        >>> est = pj.estimate.linear(x, y, names=["x"])
        >>> row = est.summary().rows[1]  # a Row
        >>> row.name, round(row.estimate, 2)
        ('x', 1.97)
        >>> print(est.summary(0.9))
        Linear least squares
        outcome: converged (1 iteration)
        rows                                 5    degrees of freedom                   3
        sum of squares                   0.091    residual std. error           0.174165
        covariance        expected information
        --------------------------------------------------------------------------------
                     estimate    std. error         t     P>|t|      [0.05      0.95]
        intercept      1.0600        0.1349     7.857    0.0043     0.7425     1.3775
        x             1.97000       0.05508    35.769    4.8e-5    1.84039    2.09961
        --------------------------------------------------------------------------------
        R-squared                     0.997661    adjusted R-squared            0.996881
        F                              1279.42    F p-value                       4.8e-5
        log likelihood                 2.92114    AIC                           -1.84228
        BIC                           -2.62341    condition number               3.14626
    """

    title: str
    outcome: str
    facts: Mapping[str, str]
    rows: tuple[Row, ...]
    symbol: Literal["t", "z"]
    level: float
    statistics: Mapping[str, str]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """A text of 80 columns."""
        return text_of(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Tables for a notebook."""
        return html_of(self)

    def latex(self) -> str:
        """A table for a paper, by LaTeX's package booktabs; names are escaped.

        Returns:
            The environment `tabular`, with a line of facts at its end.
        """
        return latex_of(self)


def summary_of(estimate: Estimate, level: float) -> Summary:
    """The summary of an estimate, with intervals of a level in (0, 1)."""
    return Summary(
        title=estimate.title,
        outcome=outcome_in_words(estimate),
        facts=_facts(estimate),
        rows=rows_of(estimate, level),
        symbol="t" if estimate.reference == "t" else "z",
        level=level,
        statistics={name: _statistic(name, value) for name, value in estimate.statistics.items()},
        notes=(*estimate.notes, *_held(estimate)),
    )


def rows_of(estimate: Estimate, level: float) -> tuple[Row, ...]:
    """The parameters with their errors, tests and intervals."""
    low, high = map(estimate.parameters.flat, estimate.interval(level))
    theta, errors = estimate.theta, estimate.errors
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = theta / errors
    tail = -np.abs(ratios)
    t = estimate.reference == "t"
    p_values = 2 * (special.stdtr(estimate.dof, tail) if t else special.ndtr(tail))
    columns = (column.tolist() for column in (theta, errors, ratios, p_values, low, high))
    return tuple(Row(*row) for row in zip(estimate.names, *columns, strict=True))


def outcome_in_words(estimate: Estimate) -> str:
    """How an estimation ended, and after how many iterations."""
    if not estimate.iterations:
        return _SENTENCES[estimate.outcome]
    counted = "iteration" if estimate.iterations == 1 else "iterations"
    return f"{_SENTENCES[estimate.outcome]} ({estimate.iterations} {counted})"


def _facts(estimate: Estimate) -> dict[str, str]:
    squares = estimate.reference == "t"
    if estimate.objective is not None:
        squares = estimate.objective.kind == "residuals"
    value = "sum of squares" if squares else "log likelihood"
    if squares and estimate.title.startswith("Robust"):
        value = "sum of losses"
    facts = {"rows": f"{estimate.rows:,}", "degrees of freedom": f"{estimate.dof:,}"}
    if value not in estimate.statistics:
        facts[value] = figure(estimate.value)
    if estimate.reference == "t" and squares:
        facts["residual std. error"] = figure(math.sqrt(estimate.scale))
    return facts | {"covariance": estimate.covariance_kind}


def _held(estimate: Estimate) -> list[str]:
    """A sentence about what was not estimated."""
    if estimate.parameters.held is None:
        return []
    whole = parameters_of(estimate.params)
    pairs = zip(whole.names, whole.start, strict=True)
    held = [f"{name} = {figure(value)}" for name, value in pairs if name not in estimate.names]
    return [f"held fixed: {', '.join(held)}"]


def _statistic(name: str, value: float) -> str:
    return p_text(value) if name.endswith("p-value") else figure(value)


def figure(value: float) -> str:
    """A figure of a summary: whole numbers as they are, others to six digits."""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}"
    return "NaN" if math.isnan(value) else number(float(value), 6)
