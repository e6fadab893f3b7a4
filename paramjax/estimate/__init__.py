"""Estimates of parameters with their uncertainty: least squares, likelihood, intervals."""

from paramjax.estimate._estimate import Estimate, Interval
from paramjax.estimate._least_squares import curve_fit, least_squares
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._robust_losses import cauchy, huber, soft_l1, tukey
from paramjax.estimate._transforms import Transform, positive, unit_interval
from paramjax.estimate.formulas import Expression, Formula, formula
from paramjax.estimate.regression import linear, logistic
from paramjax.estimate.summaries import Row, Summary

__all__ = [
    "Estimate",
    "Expression",
    "Formula",
    "Interval",
    "Outcome",
    "Row",
    "Summary",
    "Transform",
    "cauchy",
    "curve_fit",
    "formula",
    "huber",
    "least_squares",
    "linear",
    "logistic",
    "positive",
    "soft_l1",
    "tukey",
    "unit_interval",
]
