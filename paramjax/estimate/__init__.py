"""Estimates of parameters with their uncertainty: least squares, likelihood, intervals."""

from paramjax.estimate._estimate import Estimate, Interval
from paramjax.estimate._outcome import Outcome

__all__ = [
    "Estimate",
    "Interval",
    "Outcome",
]
