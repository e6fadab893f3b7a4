"""The delta method: how sure any function of the parameters is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from paramjax._checks import leaf_name
from paramjax._display import lines_of, shape_of
from paramjax._format import number
from paramjax._programs import owned_jit
from paramjax._types import Array, Params, PyTree
from paramjax.estimate._estimate import Estimate, Interval, check_level
from paramjax.estimate.inputs._traced import explained


@dataclass(frozen=True, eq=False, repr=False)
class Delta:
    """A function of the parameters with its uncertainty.

    Attributes:
        value: What the function gives at the estimate, float64, a pytree of its form.
        stderr: Standard errors, a pytree of the same form; NaN where the value depends on a
            parameter that has no standard error.
        covariance: Of the numbers of `value` in the order of its leaves, float64[q, q].
        estimate: Whose parameters they are functions of.
    """

    value: PyTree
    stderr: PyTree
    covariance: np.ndarray
    estimate: Estimate

    def interval(self, level: float = 0.95) -> Interval:
        """The value, and a quantile times its standard error on both sides.

        Args:
            level: Of confidence, in (0, 1).

        Returns:
            Lower and upper ends, of the form of the value.

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        factor = self.estimate.quantile(0.5 + check_level(level) / 2)
        low = jax.tree.map(lambda value, error: value - factor * error, self.value, self.stderr)
        high = jax.tree.map(lambda value, error: value + factor * error, self.value, self.stderr)
        return Interval(low, high)

    def __repr__(self) -> str:
        """A line for each number."""
        paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(self.value)]
        names = [leaf_name(path) if path else "value" for path in paths]
        leaves = zip(names, jax.tree.leaves(self.value), jax.tree.leaves(self.stderr), strict=True)
        return lines_of("Delta method", {name: _line(v, e) for name, v, e in leaves})


def _line(value: np.ndarray, error: np.ndarray) -> str:
    if value.ndim:
        return shape_of(value)
    return f"{number(float(value), 6)}, standard error {number(float(error))}"


def delta(est: Estimate, fn: Callable[[Params], PyTree]) -> Delta:
    r"""Carry the covariance of the estimate over to a function of its parameters.

    $$g(\hat\theta), \quad \hat V_g = G \hat V G^\top, \quad
    G = \partial g / \partial \theta \,(\hat\theta)$$
    to first order in the errors (Cramér, 1946, Mathematical Methods of Statistics, section 28.4).

    Args:
        est: Parameters and their covariance.
        fn: `(params) -> pytree` of numbers or arrays, differentiable by JAX; it runs in 64 bits.

    Returns:
        The function's value with standard errors, covariance and intervals.

    Raises:
        TypeError: If the function does not give real floating-point numbers.

    Example:
        >>> import paramjax as pj
        >>> x, y = np.array([0.0, 1, 2, 3]), np.array([0.9, 3.1, 5.1, 6.9])
        >>> line = lambda params, x: params["a"] + params["b"] * x
        >>> est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, x, y)
        >>> pj.estimate.delta(est, lambda params: params["a"] + 10 * params["b"])
        Delta method
          value  21, standard error 0.5422
    """
    with jax.enable_x64(True), explained("fn"):
        value, jacobian = jax.device_get(_value_and_jacobian(fn, est.params))
    held = est.parameters.held
    free = jacobian if held is None else jacobian[:, held.places]
    covariance = propagate(free, est.covariance)
    leaves, treedef = jax.tree.flatten(value)
    parts = np.split(np.sqrt(np.diag(covariance)), np.cumsum([leaf.size for leaf in leaves])[:-1])
    errors = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return Delta(value, jax.tree.unflatten(treedef, errors), covariance, est)


def propagate(jacobian: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """G V G' [q, q]; NaN for what depends on a parameter without a variance, and for that alone."""
    known, half = _halved(jacobian, covariance)
    carried: np.ndarray = half @ known.T
    lost = np.isnan(half).any(axis=1)
    carried[lost] = carried[:, lost] = np.nan
    return carried


def propagate_variance(jacobian: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The diagonal of G V G' alone, [q]."""
    known, half = _halved(jacobian, covariance)
    variance: np.ndarray = np.einsum("ij,ij->i", half, known)
    return variance


def _halved(jacobian: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """G and G V of the parameters with a variance; NaN in rows that depend on others."""
    unknown = np.isnan(np.diag(covariance))
    known = jacobian[:, ~unknown]
    half = known @ covariance[np.ix_(~unknown, ~unknown)]
    half[np.any(jacobian[:, unknown] != 0, axis=1)] = np.nan
    return known, half


@owned_jit()
def _value_and_jacobian(fn: Callable[[Params], PyTree], params: Params) -> tuple[PyTree, Array]:
    flat, unravel = ravel_pytree(params)

    def numbers(theta: Array) -> tuple[Array, PyTree]:
        value = jax.tree.map(_real, fn(unravel(theta)))
        return ravel_pytree(value)[0], value

    jacobian, value = jax.jacfwd(numbers, has_aux=True)(flat)
    return value, jacobian


def _real(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"fn: expected floating-point numbers as results, got {array.dtype}")
    return array.astype(jnp.float64)
