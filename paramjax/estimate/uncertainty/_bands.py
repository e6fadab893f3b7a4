"""Bands around a fitted curve: for its mean, and for new observations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from paramjax._programs import owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._estimate import Estimate, check_level
from paramjax.estimate.inputs._plain_data import plain_data
from paramjax.estimate.uncertainty._delta import propagate_variance
from paramjax.estimate.uncertainty._refits import (
    objective_of,
    solver_covariance,
    solver_theta,
)


class Prediction(NamedTuple):
    """A fitted curve at some inputs, with its band; each float64[m].

    Attributes:
        mean: The curve.
        stderr: Standard errors of the mean, or of a new observation less its prediction.
        low: Lower ends of the band.
        high: Upper ends of the band.
    """

    mean: np.ndarray
    stderr: np.ndarray
    low: np.ndarray
    high: np.ndarray


def predict(
    est: Estimate,
    x: PyTree,
    level: float = 0.95,
    kind: Literal["mean", "observation"] = "mean",
    *,
    weights: Any = None,
    simultaneous: bool = False,
) -> Prediction:
    r"""The fitted curve at new inputs, and where it or a new observation may lie.

    $$\hat y \pm q\, \sqrt{g^\top \hat V g}, \quad \hat y \pm q\, \sqrt{g^\top \hat V g + s^2 / w}$$
    with g the derivative of the curve by the parameters and q Student's quantile (Seber and Wild,
    1989, Nonlinear Regression, section 5.1). Simultaneous bands hold for all inputs at once:
    $q^2 = p F_{p, n - p}$ (Scheffé, 1953, Biometrika 40); their level is exact for curves that are
    linear in the parameters. Of a generalised linear model the band is made for the linear
    predictor and mapped through the link, so that a probability stays between 0 and 1.

    Args:
        est: With a curve to predict: from `curve_fit` or a regression.
        x: New inputs, as the curve takes them.
        level: Of the band, in (0, 1).
        kind: "mean" for the curve, "observation" for one new response at each input.
        weights: Of the new observations, a number or [m], on the scale of those of the fit; must
            be given where the fit had some.
        simultaneous: Whether the band of the mean holds for all inputs at once.

    Returns:
        The curve with its band.

    Raises:
        ValueError: If the estimate has no curve to predict, the level lies outside (0, 1), the
            kind is unknown, or observations are asked for of a likelihood, without the weights of
            a weighted fit, or simultaneously.

    Example:
        >>> import paramjax as pj
        >>> x, y = np.array([0.0, 1, 2, 3]), np.array([0.9, 3.1, 5.1, 6.9])
        >>> line = lambda params, x: params["a"] + params["b"] * x
        >>> est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, x, y)
        >>> band = pj.estimate.predict(est, np.array([1.5, 10.0]))
        >>> (band.high - band.low).round(2).tolist()
        [0.61, 4.67]
    """
    objective = objective_of(est, "predict")
    if objective.predict is None:
        raise ValueError(
            "predict: expected an estimate with a curve, such as that of curve_fit or of a "
            "regression, got one of residuals or a likelihood alone; use delta with a function of "
            "the parameters"
        )
    variance = _variance(est, kind, weights, simultaneous)
    curve = objective.predict if objective.linear is None else objective.linear
    with jax.enable_x64(True):
        mean, jacobian = jax.device_get(_mean_and_jacobian(curve, solver_theta(est), plain_data(x)))
    spread = propagate_variance(jacobian.reshape(mean.size, -1), solver_covariance(est))
    error = np.sqrt(spread.reshape(mean.shape) + variance)
    half = _quantile(est, check_level(level), simultaneous) * error
    if objective.link is None:
        return Prediction(mean, error, mean - half, mean + half)
    with jax.enable_x64(True):
        linked = _linked(objective.link, mean, error, half)
        return Prediction(*map(np.asarray, linked))


@owned_jit()
def _linked(
    link: Callable[[Array], Array], mean: Array, error: Array, half: Array
) -> tuple[Array, Array, Array, Array]:
    """A band on the scale of the mean, whose ends come from the scale of the linear predictor."""
    value, slope = jax.jvp(link, (mean,), (jnp.ones_like(mean),))
    ends = link(mean - half), link(mean + half)
    return value, jnp.abs(slope) * error, jnp.minimum(*ends), jnp.maximum(*ends)


def _variance(est: Estimate, kind: str, weights: Any, simultaneous: bool) -> np.ndarray | float:
    """Of a new observation around the curve."""
    objective = objective_of(est, "predict")
    if kind not in ("mean", "observation"):
        raise ValueError(f"kind: expected mean or observation, got {kind!r}")
    if kind == "mean":
        return 0.0
    if objective.kind != "residuals":
        raise ValueError(
            "kind: expected mean for a likelihood, whose observations are not normal around the "
            f"mean, got {kind!r}"
        )
    if simultaneous:
        raise ValueError("simultaneous: expected the kind mean, got observation; there is no end "
                         "to new observations")  # fmt: skip
    if weights is None and objective.weights is not None:
        raise ValueError(
            "weights: expected those of the new observations, for the fit was weighted; got None"
        )
    return est.scale / np.asarray(1.0 if weights is None else weights, np.float64)


def _quantile(est: Estimate, level: float, simultaneous: bool) -> float:
    if not simultaneous:
        return est.quantile(0.5 + level / 2)
    p = int(np.isfinite(est.errors).sum())
    if est.reference == "t":
        return float(np.sqrt(p * special.fdtri(p, est.dof, level)))
    return float(np.sqrt(special.chdtri(p, 1 - level)))


@owned_jit()
def _mean_and_jacobian(
    predict_fn: Callable[[Array, Any], Array], theta: Array, x: PyTree
) -> tuple[Array, Array]:
    """The curve and its derivatives by the parameters."""

    def twice(theta: Array) -> tuple[Array, Array]:
        mean = predict_fn(theta, x)
        return mean, mean

    jacobian, mean = jax.jacfwd(twice, has_aux=True)(theta)
    return mean, jacobian
