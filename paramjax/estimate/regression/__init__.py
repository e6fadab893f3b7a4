"""Regressions ready to use: linear and generalised linear models."""

from paramjax.estimate.regression._linear import linear

__all__ = ["linear"]
from paramjax.estimate.regression._logistic import logistic

__all__ = ["logistic"]
