"""Robust losses: what a squared residual counts where some observations are outliers.

Each is a function of the squared residual, on the residual's own scale (after division by sigma,
if there is one), with the slope 1 at zero: small residuals count as in least squares.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array

RobustLoss = Callable[[Array], Array]


def huber(scale: float = 1.0) -> RobustLoss:
    """Quadratic up to the scale, linear beyond: `2 scale |r| - scale^2`.

    Huber (1964), "Robust estimation of a location parameter".

    Args:
        scale: The residual from which an observation is an outlier, above 0.

    Returns:
        The loss as a function of squared residuals; the same object for the same scale.

    Example:
        >>> import paramjax as pj
        >>> pj.estimate.huber(1.0)(jnp.array([0.25, 9.0])).tolist()
        [0.25, 5.0]
    """
    return _of(_huber, scale)


def soft_l1(scale: float = 1.0) -> RobustLoss:
    """A smooth Huber loss: 2 scale^2 (sqrt(1 + (r / scale)^2) - 1).

    Charbonnier et al. (1994), "Two deterministic half-quadratic regularization algorithms".

    Args:
        scale: The residual from which an observation is an outlier, above 0.

    Returns:
        The loss as a function of squared residuals; the same object for the same scale.

    Example:
        >>> import paramjax as pj
        >>> float(pj.estimate.soft_l1(1.0)(jnp.array(3.0)))
        2.0
    """
    return _of(_soft_l1, scale)


def cauchy(scale: float = 1.0) -> RobustLoss:
    """The likelihood of Cauchy errors: scale^2 log(1 + (r / scale)^2).

    Args:
        scale: The residual from which an observation is an outlier, above 0.

    Returns:
        The loss as a function of squared residuals; the same object for the same scale.

    Example:
        >>> import paramjax as pj
        >>> round(float(pj.estimate.cauchy(1.0)(jnp.array(1.0))), 4)
        0.6931
    """
    return _of(_cauchy, scale)


def tukey(scale: float = 4.685) -> RobustLoss:
    """The bisquare: beyond the scale an observation no longer counts.

    Beaton and Tukey (1974), "The fitting of power series, meaning polynomials, illustrated on
    band-spectroscopic data": scale^2 / 3 (1 - (1 - (r / scale)^2)^3) up to the scale.

    Args:
        scale: The residual from which an observation no longer counts, above 0.

    Returns:
        The loss as a function of squared residuals; the same object for the same scale.

    Example:
        >>> import paramjax as pj
        >>> pj.estimate.tukey(3.0)(jnp.array([0.0, 9.0, 100.0])).tolist()
        [0.0, 3.0, 3.0]
    """
    return _of(_tukey, scale)


@functools.cache
def _of(shape: RobustLoss, scale: float) -> RobustLoss:
    """A loss at a scale; kept, for a compiled program is known by it."""
    check_scalar("scale", scale)
    if scale == 0:
        raise ValueError("scale: expected a number above 0, got 0")
    return lambda squared: scale**2 * shape(squared / scale**2)


def _huber(z: Array) -> Array:
    inside = z <= 1
    return jnp.where(inside, z, 2 * jnp.sqrt(jnp.where(inside, 1.0, z)) - 1)


def _soft_l1(z: Array) -> Array:
    return 2 * (jnp.sqrt(1 + z) - 1)


def _cauchy(z: Array) -> Array:
    return jnp.log1p(z)


def _tukey(z: Array) -> Array:
    return (1 - jnp.maximum(1 - z, 0.0) ** 3) / 3
