"""Estimates of parameters with their uncertainty: least squares, likelihood, intervals."""

from paramjax.estimate._estimate import Estimate, Interval
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.formulas import Expression, Formula, formula
from paramjax.estimate.summaries import Row, Summary

__all__ = [
    "Estimate",
    "Expression",
    "Formula",
    "Interval",
    "Outcome",
    "Row",
    "Summary",
    "formula",
]
