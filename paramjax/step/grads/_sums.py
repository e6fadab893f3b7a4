"""Sums over rows or samples, at most a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import Array, PyTree
from paramjax.step.grads._interleaved import interleave, part


def widened(dtype: Any) -> Any:
    """The dtype to sum in: at least float32, also for integers and booleans.

    Args:
        dtype: Of what is summed.

    Returns:
        A floating-point or complex dtype.

    Example:
        >>> widened(jnp.bfloat16).name, widened(jnp.bool_).name
        ('float32', 'float32')
    """
    inexact = jnp.issubdtype(dtype, jnp.inexact)
    return jnp.promote_types(dtype, jnp.float32) if inexact else jnp.dtype(jnp.float32)


def masked_sum(
    function: Callable[[Any], PyTree], xs: PyTree, mask: Array, *, chunk: int | None = None
) -> PyTree:
    r"""$$\sum_i m_i f(x_i)$$ where what is masked contributes nothing, not even NaN.

    Args:
        function: `(x) -> values`, mapped over the rows.
        xs: A pytree of arrays [rows, ...].
        mask: bool[rows].
        chunk: Rows that are mapped together; the chunks follow one another in a scan, so
            that memory is that of one. None takes all at once.

    Returns:
        The sums, a pytree like the values, in at least float32.

    Example:
        >>> xs = jnp.array([1.0, 2.0, jnp.nan])
        >>> float(masked_sum(lambda x: x**2, xs, jnp.array([True, True, False]), chunk=2))
        5.0
    """
    rows = mask.shape[0]
    size = rows if chunk is None else min(chunk, rows)
    if size == rows:
        return _sum(function, xs, mask)
    xs, mask = _padded((xs, mask), -rows % size)
    chunks = mask.shape[0] // size
    view = interleave((xs, mask), chunks)

    def partial_sum(index: Array) -> PyTree:
        return _sum(function, *part(view, index))

    def body(sums: PyTree, index: Array) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, sums, partial_sum(index)), None

    shapes = jax.eval_shape(partial_sum, jnp.int32(0))
    zeros = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
    return jax.lax.scan(body, zeros, jnp.arange(chunks))[0]


def _sum(function: Callable[[Any], PyTree], xs: PyTree, mask: Array) -> PyTree:
    def total(values: Array) -> Array:
        kept = mask.reshape(-1, *[1] * (values.ndim - 1))
        wide = values.astype(widened(values.dtype))
        return jnp.where(kept, wide, jnp.zeros([], wide.dtype)).sum(0)

    return jax.tree.map(total, jax.vmap(function)(xs))


def _padded(xs_and_mask: tuple[PyTree, Array], extra: int) -> tuple[PyTree, Array]:
    """More rows, masked; they repeat the first ones, because a row of zeros may be no row."""
    if not extra:
        return xs_and_mask
    xs, mask = xs_and_mask
    xs = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[:extra]]), xs)
    return xs, jnp.concatenate([mask, jnp.zeros(extra, bool)])
