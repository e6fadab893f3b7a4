"""CAGrad: near the mean gradient, what improves the worst task most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import check_scalar
from paramjax._types import Array, Key

_ITERATIONS = 100


def conflict_averse(strength: float | Array = 0.5) -> Callable[[Array, Key], Array]:
    r"""$$\max_d \min_i \langle\nabla\ell_i, d\rangle\ \text{with}\ \|d - g_0\| \le c\,\|g_0\|,
    \quad d = g_0 + \frac{c\,\|g_0\|}{\|g_w\|}\,g_w$$
    with the mean gradient $g_0$ and
    $w = \arg\min_w \langle g_w, g_0\rangle + c\,\|g_0\|\,\|g_w\|$ on the simplex.

    Liu et al. (2021, Conflict-averse gradient descent for multi-task learning, eqs. 3 and 4
    and Algorithm 1). The minimum is found by projected gradient steps of the length of
    Barzilai and Borwein (1988), of which the best is kept; d is accurate to about 1e-3 of
    its norm.

    Args:
        strength: c, in [0, 1]; 0 is the mean gradient.

    Returns:
        A rule for the `combine` of `surgery`.

    Raises:
        TypeError: If the strength is not a number.
        ValueError: If the strength is outside [0, 1].

    Example:
        >>> import paramjax as pj
        >>> combine = pj.grads.conflict_averse(0.5)
        >>> combine(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jax.random.key(0)).tolist()
        [0.75, 0.75]
    """
    check_scalar("conflict_averse: strength", strength, high=1.0)

    def combine(inner_products: Array, key: Key) -> Array:
        del key
        tasks = inner_products.shape[0]
        size = jnp.trace(inner_products) / tasks
        products = inner_products / jnp.where(size > 0, size, 1.0)
        with_mean = products.mean(1)
        radius = strength * jnp.sqrt(jnp.maximum(with_mean.mean(), 0.0))
        weights = _minimise(products, with_mean, radius)
        norm = jnp.sqrt(jnp.maximum(_square(products, weights), 0.0))
        return 1 / tasks + weights * jnp.where(norm > 0, radius / jnp.where(norm > 0, norm, 1), 0.0)

    return combine


def _square(products: Array, weights: Array) -> Array:
    return weights @ jnp.matmul(products, weights, precision=jax.lax.Precision.HIGHEST)


def _minimise(products: Array, with_mean: Array, radius: Array) -> Array:
    """The weights on the simplex with the least w . b + r sqrt(w A w)."""

    def objective(weights: Array) -> Array:
        # the root of zero has no derivative
        root = jnp.sqrt(jnp.maximum(_square(products, weights), 0.0) + 1e-12)
        return weights @ with_mean + radius * root

    slope_at = jax.grad(objective)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        weights, slope, length, best, least = carry
        new = optax.projections.projection_simplex(weights - length * slope)
        new_slope = slope_at(new)
        moved, turned = new - weights, new_slope - slope
        length = jnp.clip(moved @ moved / jnp.maximum(moved @ turned, 1e-12), 1e-3, 1e3)
        value = objective(new)
        best = jnp.where(value < least, new, best)
        return (new, new_slope, length, best, jnp.minimum(value, least)), None

    start = jnp.full(with_mean.shape, 1 / with_mean.size)
    first = (start, slope_at(start), jnp.float32(1.0), start, objective(start))
    return jax.lax.scan(step, first, length=_ITERATIONS)[0][3]
