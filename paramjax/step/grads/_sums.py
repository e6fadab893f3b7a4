"""Parts of a batch, and sums over its rows with at most a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, PyTree
from paramjax.step._keys import used_again


def interleave(batch: PyTree, parts: int) -> PyTree:
    """The batch as arrays [rows / parts, parts, ...], of which `part` takes one without copies."""
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, parts, *jnp.shape(leaf)[1:])), batch)


def part(view: PyTree, index: Array) -> PyTree:
    """Rows index, index + parts, index + 2 parts and so on of an interleaved batch.

    Contiguous rows would be those of one device where the batch is sharded by rows, and each
    device would have to compute every part.
    """
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, 1, False), view)


def sum_dtype(dtype: Any) -> Any:
    """The dtype to sum in: at least float32, also for integers and booleans."""
    inexact = jnp.issubdtype(dtype, jnp.inexact)
    return jnp.promote_types(dtype, jnp.float32) if inexact else jnp.dtype(jnp.float32)


def masked_sum(
    function: Callable[[Any], PyTree], xs: PyTree, mask: Array, *, chunk: int | None = None
) -> PyTree:
    r"""$$\sum_i m_i f(x_i)$$ where masked rows contribute nothing, not even NaN.

    At most `chunk` rows are mapped together, one chunk after the other; None maps all at once.
    """
    rows = mask.shape[0]
    size = rows if chunk is None else min(chunk, rows)
    if size == rows:
        return _sum(function, xs, mask)
    xs, mask = _padded((xs, mask), -rows % size)
    chunks = mask.shape[0] // size
    view = interleave((xs, mask), chunks)

    def partial_sum(index: Array) -> PyTree:
        return _sum(function, *part(jax.tree.map(used_again, view), index))

    def body(sums: PyTree, index: Array) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, sums, partial_sum(index)), None

    shapes = jax.eval_shape(partial_sum, jnp.int32(0))
    zeros = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
    return jax.lax.scan(body, zeros, jnp.arange(chunks))[0]


def _sum(function: Callable[[Any], PyTree], xs: PyTree, mask: Array) -> PyTree:
    def total(values: Array) -> Array:
        kept = mask.reshape(-1, *[1] * (values.ndim - 1))
        wide = values.astype(sum_dtype(values.dtype))
        return jnp.where(kept, wide, jnp.zeros([], wide.dtype)).sum(0)

    return jax.tree.map(total, jax.vmap(function)(xs))


def _padded(xs_and_mask: tuple[PyTree, Array], extra: int) -> tuple[PyTree, Array]:
    """More rows, masked; they repeat the first ones, because a row of zeros may be invalid."""
    if not extra:
        return xs_and_mask
    xs, mask = xs_and_mask
    again = np.arange(mask.size + extra) % mask.size
    xs = jax.tree.map(lambda leaf: leaf[again], xs)
    return xs, jnp.concatenate([mask, jnp.zeros(extra, bool)])
