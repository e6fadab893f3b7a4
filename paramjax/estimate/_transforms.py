"""Scales without bounds, on which a solver moves parameters that have some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Transform:
    """A smooth monotone map from all real numbers to those that a parameter may take.

    Attributes:
        forward: From the scale of the solver to that of the user, elementwise, in JAX.
        inverse: Back.

    Example:
        >>> import paramjax as pj
        >>> shifted = pj.estimate.Transform(lambda u: 2.0 + jnp.exp(u), lambda x: jnp.log(x - 2.0))
        >>> float(shifted.forward(shifted.inverse(3.0)))
        3.0
    """

    forward: Callable[[Any], Any]
    inverse: Callable[[Any], Any]


def _exp(u: Any) -> Any:  # functions of this module can be pickled, those of jax.numpy cannot
    return jnp.exp(u)


def _log(x: Any) -> Any:
    return jnp.log(x)


def _sigmoid(u: Any) -> Any:
    return jax.nn.sigmoid(u)


def _logit(x: Any) -> Any:
    return jax.scipy.special.logit(x)


positive = Transform(_exp, _log)
"""For parameters above zero: the solver moves their logarithm."""

unit_interval = Transform(_sigmoid, _logit)
"""For parameters between 0 and 1: the solver moves their log odds."""
