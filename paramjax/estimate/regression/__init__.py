"""Regressions ready to use: linear and generalised linear models."""

from paramjax.estimate.regression._gamma import gamma
from paramjax.estimate.regression._linear import linear
from paramjax.estimate.regression._logistic import logistic
from paramjax.estimate.regression._multinomial import multinomial
from paramjax.estimate.regression._negative_binomial import negative_binomial
from paramjax.estimate.regression._poisson import poisson

__all__ = ["gamma", "linear", "logistic", "multinomial", "negative_binomial", "poisson"]
