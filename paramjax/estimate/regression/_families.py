"""Distributions of a response: log probabilities on the device, deviances on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from scipy import special

from paramjax._types import Array, Key, PyTree
from paramjax.estimate.solvers import Rows

Simulate = Callable[[Key, Array, PyTree], PyTree]
Number = np.ndarray | float


class Family(NamedTuple):
    """A distribution with its link.

    Attributes:
        title: Of the regression.
        rows: `(theta, data) -> [n]`, log probabilities; the columns are `data["X"]`.
        simulate: `(key, theta, data) -> data` with a new response.
        mean: Of the response at a linear predictor, in numpy.
        link: From a linear predictor to the mean, in JAX.
        variance: At a mean and a dispersion.
        slope: Of the mean in the linear predictor, at a mean.
        pull: The slope over the variance of one trial, without their common factors.
        bracket: `(y, mean of y, offset) -> (low, high)`, between which the intercept alone lies.
        deviance: `(y, mean, dispersion) -> [n]`, twice the log likelihood lost to a mean of y.
    """

    title: str
    rows: Rows
    simulate: Simulate
    mean: Callable[[np.ndarray], np.ndarray]
    link: Callable[[Any], Any]
    variance: Callable[[np.ndarray, Number], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    pull: Callable[[np.ndarray, Number], Number]
    bracket: Callable[[np.ndarray, float, np.ndarray], tuple[float, float]]
    deviance: Callable[[np.ndarray, np.ndarray, Number], np.ndarray]


def _around(centre: float, offset: np.ndarray) -> tuple[float, float]:
    return float(centre - offset.max() - 10), float(centre - offset.min() + 10)


def _around_log(y: np.ndarray, mean: float, offset: np.ndarray) -> tuple[float, float]:
    return _around(np.log(mean), offset)


def _above_zero(y: np.ndarray, mean: float, offset: np.ndarray) -> tuple[float, float]:
    """Where every reciprocal is positive, and one where every mean is below each response."""
    zero = float(-offset.min())
    return zero + 1e-9 / float(y.sum()), zero + 1 / float(y.min())


def predictor(theta: Array, data: PyTree) -> Array:
    """The linear predictor with its offset, [n]."""
    eta = data["X"] @ theta
    found: Array = eta + data["offset"] if "offset" in data else eta
    return found


def _binomial_rows(theta: Array, data: PyTree) -> Array:
    eta, y = predictor(theta, data), data["y"]
    if "trials" not in data:
        return _successes_and_failures(eta, y, 1 - y)
    n = data["trials"]
    ways: Array = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    return ways + _successes_and_failures(eta, y, n - y)


def _successes_and_failures(eta: Array, successes: Array, failures: Array) -> Array:
    """Without cancellation, however large the log odds."""
    logs: Array = -successes * jax.nn.softplus(-eta) - failures * jax.nn.softplus(eta)
    return logs


def _binomial_simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    chance = jax.nn.sigmoid(predictor(theta, data))
    if "trials" not in data:
        return data | {"y": jax.random.bernoulli(key, chance).astype(chance.dtype)}
    return data | {"y": jax.random.binomial(key, data["trials"], chance)}


def _binomial_deviance(y: np.ndarray, mean: np.ndarray, trials: Number) -> np.ndarray:
    """Of y successes in trials, at a mean in (0, 1)."""
    successes = special.xlogy(y, y) - special.xlogy(y, trials * mean)
    rest = trials - y
    failures = special.xlogy(rest, rest) - special.xlogy(rest, trials * (1 - mean))
    found: np.ndarray = 2 * (successes + failures)
    return found


BINOMIAL = Family(
    "Logistic regression",
    _binomial_rows,
    _binomial_simulate,
    mean=special.expit,
    link=jax.nn.sigmoid,
    variance=lambda mean, trials: trials * mean * (1 - mean),
    slope=lambda mean: mean * (1 - mean),
    pull=lambda mean, trials: 1.0,
    bracket=lambda y, mean, offset: _around(special.logit(mean), offset),
    deviance=_binomial_deviance,
)


def _poisson_rows(theta: Array, data: PyTree) -> Array:
    eta, y = predictor(theta, data), data["y"]
    logs: Array = y * eta - jnp.exp(eta) - gammaln(y + 1)
    return logs


def _poisson_simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    mean = jnp.exp(predictor(theta, data))
    return data | {"y": jax.random.poisson(key, mean).astype(mean.dtype)}


def _poisson_deviance(y: np.ndarray, mean: np.ndarray, dispersion: Number) -> np.ndarray:
    found: np.ndarray = 2 * (special.xlogy(y, y) - special.xlogy(y, mean) - (y - mean))
    return found


POISSON = Family(
    "Poisson regression",
    _poisson_rows,
    _poisson_simulate,
    mean=np.exp,
    link=jnp.exp,
    variance=lambda mean, dispersion: mean,
    slope=lambda mean: mean,
    pull=lambda mean, dispersion: 1.0,
    bracket=_around_log,
    deviance=_poisson_deviance,
)


def _gamma_deviance(y: np.ndarray, mean: np.ndarray, dispersion: Number) -> np.ndarray:
    found: np.ndarray = 2 * ((y - mean) / mean - np.log(y / mean))
    return found


def _gamma_rows(theta: Array, data: PyTree) -> Array:
    """Of a gamma distribution of shape 1: the shape moves no estimate of the mean."""
    eta = predictor(theta, data)
    logs: Array = -data["y"] * jnp.exp(-eta) - eta
    return logs


def _gamma_inverse_rows(theta: Array, data: PyTree) -> Array:
    eta = predictor(theta, data)  # a log of what is not positive is nan: no step goes there
    logs: Array = jnp.log(eta) - data["y"] * eta
    return logs


def _gamma_simulate(mean_of: Callable[[Array], Array]) -> Simulate:
    def simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
        mean = mean_of(predictor(theta, data))
        # scaled to the dispersion that the data carry
        shape = 1 / data["dispersion"]
        return data | {"y": mean / shape * jax.random.gamma(key, shape, mean.shape, mean.dtype)}

    return simulate


GAMMA = Family(
    "Gamma regression (log link)",
    _gamma_rows,
    _gamma_simulate(jnp.exp),
    mean=np.exp,
    link=jnp.exp,
    variance=lambda mean, dispersion: mean**2,
    slope=lambda mean: mean,
    pull=lambda mean, dispersion: 1 / mean,
    bracket=_around_log,
    deviance=_gamma_deviance,
)

GAMMA_INVERSE = Family(
    "Gamma regression (inverse link)",
    _gamma_inverse_rows,
    _gamma_simulate(jnp.reciprocal),
    mean=np.reciprocal,
    link=jnp.reciprocal,
    variance=lambda mean, dispersion: mean**2,
    slope=lambda mean: -(mean**2),
    pull=lambda mean, dispersion: -1.0,
    bracket=_above_zero,
    deviance=_gamma_deviance,
)


def _negative_binomial_log_prob(eta: Array, log_dispersion: Array, y: Array) -> Array:
    """Of counts with variance mean + dispersion mean^2 (Cameron and Trivedi's NB2)."""
    size = jnp.exp(-log_dispersion)
    both = jax.nn.softplus(eta + log_dispersion)  # log(1 + dispersion mean)
    ways = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
    logs: Array = ways + y * (eta + log_dispersion) - (y + size) * both
    return logs


def _negative_binomial_rows(theta: Array, data: PyTree) -> Array:
    return _negative_binomial_log_prob(predictor(theta[:-1], data), theta[-1], data["y"])


def _negative_binomial_fixed_rows(theta: Array, data: PyTree) -> Array:
    log_dispersion = jnp.log(data["dispersion"])
    return _negative_binomial_log_prob(predictor(theta, data), log_dispersion, data["y"])


def _mixed_poisson(key: Key, eta: Array, dispersion: Array, data: PyTree) -> PyTree:
    """Poisson counts whose mean is drawn from a gamma distribution."""
    rate_key, count_key = jax.random.split(key)
    rate = jax.random.gamma(rate_key, 1 / dispersion, eta.shape, eta.dtype) * dispersion
    counts = jax.random.poisson(count_key, rate * jnp.exp(eta))
    return data | {"y": counts.astype(eta.dtype)}


def _negative_binomial_simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    return _mixed_poisson(key, predictor(theta[:-1], data), jnp.exp(theta[-1]), data)


def _negative_binomial_fixed_simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    return _mixed_poisson(key, predictor(theta, data), data["dispersion"], data)


def _negative_binomial_deviance(y: np.ndarray, mean: np.ndarray, dispersion: Number) -> np.ndarray:
    excess = np.log1p(dispersion * y) - np.log1p(dispersion * mean)
    found: np.ndarray = 2 * (
        special.xlogy(y, y) - special.xlogy(y, mean) - (y + 1 / dispersion) * excess
    )
    return found


NEGATIVE_BINOMIAL = Family(
    "Negative binomial regression",
    _negative_binomial_rows,
    _negative_binomial_simulate,
    mean=np.exp,
    link=jnp.exp,
    variance=lambda mean, dispersion: mean + dispersion * mean**2,
    slope=lambda mean: mean,
    pull=lambda mean, dispersion: 1 / (1 + dispersion * mean),
    bracket=_around_log,
    deviance=_negative_binomial_deviance,
)

NEGATIVE_BINOMIAL_FIXED = NEGATIVE_BINOMIAL._replace(
    rows=_negative_binomial_fixed_rows, simulate=_negative_binomial_fixed_simulate
)


Curve = Callable[[Any, Any], Any]


@cache
def curves_of(
    link: Callable[[Any], Any], names: tuple[str, ...], intercept: bool
) -> tuple[Curve, Curve]:
    """Linear predictor and mean at new rows, `(theta, x) -> [m]`; x as the columns of the fit came.

    Args:
        link: From a linear predictor to the mean, in JAX.
        names: Of the columns, with the intercept if there is one.
        intercept: Whether there is one.
    """

    def linear(theta: Any, x: Any) -> Any:
        eta = matrix_at(x, names[intercept:]) @ theta[intercept : len(names)]
        return eta + theta[0] if intercept else eta

    def mean(theta: Any, x: Any) -> Any:
        return link(linear(theta, x))

    return linear, mean


def matrix_at(x: Any, columns: tuple[str, ...]) -> Array:
    """New rows as an array [m, k], from an array, a mapping or a table of columns."""
    if hasattr(x, "columns") or isinstance(x, Mapping):
        return jnp.stack([jnp.asarray(x[name]) for name in columns], axis=-1)
    table = jnp.asarray(x)
    return table[:, None] if table.ndim == 1 and len(columns) == 1 else table
