"""PCGrad: each task's gradient without what conflicts with the others."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._types import Array, Key


def project_conflicting(inner_products: Array, key: Key) -> Array:
    r"""$$g_i \leftarrow g_i - \frac{\langle g_i, \nabla\ell_j\rangle}{\|\nabla\ell_j\|^2}
    \nabla\ell_j$$
    for each other task j with a negative inner product, in random order.

    Yu et al. (2020, Gradient surgery for multi-task learning, Algorithm 1). What remains
    of the tasks' gradients is averaged; the paper sums it, which is a learning rate tasks
    times as large.

    Args:
        inner_products: Of the gradients, float32[tasks, tasks].
        key: It draws the orders.

    Returns:
        Weights of the gradients, float32[tasks].

    Example:
        >>> products = jnp.array([[1.0, -1.0], [-1.0, 2.0]])
        >>> project_conflicting(products, jax.random.key(0)).tolist()
        [1.0, 0.75]
    """
    tasks = inner_products.shape[0]
    squares = jnp.diagonal(inner_products)

    def of_task(own: Array, key: Key) -> Array:
        def project(weights: Array, other: Array) -> tuple[Array, None]:
            inner = jnp.dot(weights, inner_products[other], precision=jax.lax.Precision.HIGHEST)
            conflict = (inner < 0) & (other != own)
            share = jnp.where(conflict, inner / jnp.where(conflict, squares[other], 1.0), 0.0)
            return weights.at[other].add(-share), None

        start = jnp.zeros(tasks).at[own].set(1.0)
        return jax.lax.scan(project, start, jax.random.permutation(key, tasks))[0]

    return jax.vmap(of_task)(jnp.arange(tasks), jax.random.split(key, tasks)).mean(0)
