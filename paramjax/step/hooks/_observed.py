"""What monitors share: norms that half precision can hold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import Array, PyTree


def square_norm(leaf: Any) -> Array:
    """The sum of the squared entries, added up in float32 or wider.

    Args:
        leaf: An array of any shape and floating-point dtype.

    Returns:
        float32[], or wider where the leaf is.

    Example:
        >>> float(square_norm(jnp.full(1000, 0.1, jnp.bfloat16)))
        10.02
    """
    size = jnp.abs(leaf)
    return jnp.sum(jnp.square(size.astype(jnp.promote_types(size.dtype, "f4"))))


def total_square(tree: PyTree) -> Array:
    """The squared global norm of a tree.

    Args:
        tree: A pytree of arrays.

    Returns:
        float32[].

    Example:
        >>> float(total_square({"w": jnp.array([3.0]), "b": jnp.array([4.0])}))
        25.0
    """
    return sum(map(square_norm, jax.tree.leaves(tree)), jnp.float32(0)).astype(jnp.float32)
