"""Parts of a batch that interleave, so that rows spread over devices stay where they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._types import Array, PyTree


def interleave(batch: PyTree, parts: int) -> PyTree:
    """A view of the batch in which `part` finds each part without copying the others.

    Args:
        batch: A pytree of arrays [rows, ...].
        parts: How many; they divide the rows.

    Returns:
        A pytree of arrays [rows / parts, parts, ...].

    Example:
        >>> interleave(jnp.arange(6), 2).shape
        (3, 2)
    """
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, parts, *jnp.shape(leaf)[1:])), batch)


def part(view: PyTree, index: Array) -> PyTree:
    """Rows index, index + parts, index + 2 parts and so on.

    Contiguous rows would be those of one device where the batch is sharded by rows, and each
    device would have to compute every part.

    Args:
        view: What `interleave` returns.
        index: Which part, int32[].

    Returns:
        A pytree of arrays [rows / parts, ...].

    Example:
        >>> part(interleave(jnp.arange(6), 2), 1).tolist()
        [1, 3, 5]
    """
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, 1, False), view)
