"""The functions and signs of formulas, each for numpy on the host and for JAX."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

_EXACT = 64
"""Whole exponents up to here are products of factors, which are exact and differentiate at 0."""


class Operation(NamedTuple):
    """A function of some numbers.

    Attributes:
        host: For numpy, float64.
        device: For JAX, traced.
        least: Arguments at least.
        most: Arguments at most.
    """

    host: Callable[..., Any]
    device: Callable[..., Any]
    least: int = 1
    most: int = 1


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= _EXACT:
        return base ** int(exponent)
    return base**exponent


def _many(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda *values: functools.reduce(function, values)


def _alike(name: str) -> Operation:
    return Operation(getattr(np, name), getattr(jnp, name))


SIGNS = {
    "+": Operation(operator.add, operator.add, 2, 2),
    "-": Operation(operator.sub, operator.sub, 2, 2),
    "*": Operation(operator.mul, operator.mul, 2, 2),
    "/": Operation(operator.truediv, operator.truediv, 2, 2),
    "^": Operation(_power, _power, 2, 2),
}
NEGATIVE = Operation(operator.neg, operator.neg)

FUNCTIONS = {
    **{name: _alike(name) for name in (
        "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "sin", "cos", "tan",
        "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
        "abs",
    )},
    **{short: _alike(f"arc{short[1:]}") for short in (
        "asin", "acos", "atan", "asinh", "acosh", "atanh",
    )},
    "ln": _alike("log"),
    "arctan2": Operation(np.arctan2, jnp.arctan2, 2, 2),
    "atan2": Operation(np.arctan2, jnp.arctan2, 2, 2),
    "pow": SIGNS["^"],
    "min": Operation(_many(np.minimum), _many(jnp.minimum), 2, 99),
    "max": Operation(_many(np.maximum), _many(jnp.maximum), 2, 99),
    "erf": Operation(special.erf, jax.scipy.special.erf),
    "erfc": Operation(special.erfc, jax.scipy.special.erfc),
    "gamma": Operation(special.gamma, jax.scipy.special.gamma),
    "lgamma": Operation(special.gammaln, jax.scipy.special.gammaln),
    "sigmoid": Operation(special.expit, jax.nn.sigmoid),
}  # fmt: skip
"""Name -> function; log is the natural one."""

CONSTANTS = {"pi": math.pi, "e": math.e}
