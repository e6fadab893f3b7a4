"""The outputs of a model for a whole set, computed batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import PyTree


def in_batches(apply: Callable[[PyTree], PyTree], x: PyTree, batch_size: int) -> PyTree:
    """What a model returns for all rows, computed for some at a time.

    A ranking or a variance needs the outputs of the whole set, which are small; the inner
    layers of the whole set may not fit in memory.

    Args:
        apply: `(x) -> outputs`, such as `lambda x: model.apply(params, x)`; rows may not depend
            on one another.
        x: Inputs, leaves [rows, ...].
        batch_size: Rows at a time, positive.

    Returns:
        Outputs, leaves [rows, ...], in the order of the rows.

    Raises:
        TypeError: If `batch_size` is not a whole number.
        ValueError: If it is less than 1, there is no leaf, or leaves differ in length.

    Example:
        >>> in_batches(lambda x: 2 * x, jnp.arange(5), 2).tolist()
        [0, 2, 4, 6, 8]
    """
    check_count("in_batches: batch_size", batch_size)
    x = jax.tree.map(jnp.asarray, x)
    rows = _length(x)
    size = max(min(batch_size, rows), 1)
    full = rows // size
    if full < 2:
        parts = []
        full = 0
    else:
        batches = jax.tree.map(
            lambda leaf: leaf[: full * size].reshape(full, size, *leaf.shape[1:]), x
        )
        stacked = jax.lax.map(apply, batches)
        parts = [jax.tree.map(lambda leaf: leaf.reshape(full * size, *leaf.shape[2:]), stacked)]
    if full * size < rows or not parts:
        parts.append(apply(jax.tree.map(lambda leaf: leaf[full * size :], x)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _length(x: PyTree) -> int:
    """The number of rows of all leaves; raises if there is no such number."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(x)]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or lengths == {()}:
        raise ValueError(f"in_batches: expected leaves [rows, ...] of one length, got {shapes}")
    return int(shapes[0][0])
