"""Random directions in the space of the parameters, and keys to draw them with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Key, Params, PyTree

Draw = Callable[[Key, tuple[int, ...]], Array]
"""`(key, shape) -> float32[shape]`."""

# Beyond 2**31, where neither a step nor a row is ever numbered, so that what an estimator
# draws is independent of what the loss draws from the step's key itself.
_DIRECTIONS = 0xD1EC0000
_SAMPLING = 0x5A3B0000


def direction_key(key: Key) -> Key:
    """The key of an estimator's own randomness; the loss keeps the step's key as it is.

    Args:
        key: The key of the step.

    Returns:
        A key.

    Example:
        >>> bool(direction_key(jax.random.key(0)) == jax.random.key(0))
        False
    """
    return jax.random.fold_in(key, jnp.uint32(_DIRECTIONS))


def sampling_key(key: Key, step: Array) -> Key:
    """The key by which a step draws its rows, apart from `fold_in(key, step)`.

    Args:
        key: The key of the run.
        step: Number of the step, int32[].

    Returns:
        A key.

    Example:
        >>> sampling_key(jax.random.key(0), jnp.int32(3)).shape
        ()
    """
    return jax.random.fold_in(jax.random.fold_in(key, jnp.uint32(_SAMPLING)), step)


def draw_like(draw: Draw, key: Key, params: Params) -> PyTree:
    """One flat draw, cut into leaves of the parameters' shapes: it compiles fast.

    Args:
        draw: A distribution, such as `jax.random.normal`.
        key: A key.
        params: A pytree of arrays.

    Returns:
        A pytree of float32 arrays.

    Example:
        >>> drawn = draw_like(jax.random.normal, jax.random.key(0), {"b": 0.0, "w": jnp.ones(2)})
        >>> jax.tree.map(jnp.shape, drawn)
        {'b': (), 'w': (2,)}
    """
    leaves, form = jax.tree.flatten(params)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts = jnp.split(draw(key, (int(ends[-1]),)), ends[:-1])
    shaped = [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(form, shaped)


def rademacher(key: Key, shape: tuple[int, ...]) -> Array:
    """Signs, -1.0 or 1.0 with equal probability.

    Args:
        key: A key.
        shape: The shape wanted.

    Returns:
        float32[shape].

    Example:
        >>> sorted(set(rademacher(jax.random.key(0), (9,)).tolist()))
        [-1.0, 1.0]
    """
    return jax.random.rademacher(key, shape, jnp.float32)


def moved(params: Params, directions: PyTree, distance: Any) -> Params:
    """The parameters, moved along the directions, in their own dtypes.

    Args:
        params: A pytree of arrays.
        directions: Like the parameters, float32.
        distance: A number; the sum is taken in at least float32.

    Returns:
        A pytree like the parameters.

    Example:
        >>> float(moved(jnp.float32(1.0), jnp.float32(-1.0), 0.5))
        0.5
    """

    def move(leaf: Any, direction: Array) -> Array:
        wide = jnp.promote_types(jnp.result_type(leaf), jnp.float32)
        return (jnp.asarray(leaf, wide) + distance * direction).astype(jnp.result_type(leaf))

    return jax.tree.map(move, params, directions)
