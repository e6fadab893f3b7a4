"""Max-pooling whose gradient is elementwise."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from paramjax._types import Array


def max_pool(x: Array, size: int = 2) -> Array:
    """The maximum over windows of `size` x `size` that do not overlap.

    Of several maxima the first in row order gets the gradient, as in `lax.reduce_window`. The
    gradient compares positions and selects, where a scatter or a padded sum would keep a CPU
    from using its vector units.

    Args:
        x: [batch, height, width, channels]; rows and columns beyond the last whole
            window are dropped.
        size: Side of a window, in pixels, at least 1.

    Returns:
        [batch, height // size, width // size, channels].

    Raises:
        ValueError: If x does not have four axes, or the size is less than 1.

    Example:
        >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1)).ravel().tolist()
        [5.0, 7.0, 13.0, 15.0]
    """
    if x.ndim != 4:
        raise ValueError(
            f"x: expected images [batch, height, width, channels], got shape {x.shape}"
        )
    if size < 1:
        raise ValueError(f"size: expected at least 1 pixel, got {size}")
    batch, height, width, channels = x.shape
    rows, columns = height // size, width // size
    windows = x[:, : rows * size, : columns * size]
    return _largest(windows.reshape(batch, rows, size, columns, size, channels))


def _positions(windows: Array) -> list[Array]:
    """The pixels at each position of a window, in row order, each [batch, rows, columns, ...]."""
    size = windows.shape[2]
    return [windows[:, :, i, :, j] for i in range(size) for j in range(size)]


@jax.custom_jvp
def _largest(windows: Array) -> Array:
    """The maximum over axes 2 and 4 of [batch, rows, size, columns, size, channels]."""
    return functools.reduce(jnp.maximum, _positions(windows))


@_largest.defjvp
def _largest_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (windows,), (change,) = primals, tangents
    size, out = windows.shape[2], _largest(windows)
    # the backward pass keeps one byte of each window
    dtype = jnp.uint8 if size <= 16 else jnp.int32
    first = jnp.full(out.shape, size * size - 1, dtype)
    for position, values in reversed(list(enumerate(_positions(windows)))):
        first = jnp.where(values == out, jnp.asarray(position, dtype), first)
    positions = jnp.arange(size * size, dtype=dtype).reshape(1, 1, size, 1, size, 1)
    chosen = first[:, :, None, :, None] == positions
    return out, jnp.where(chosen, change, jnp.zeros((), change.dtype)).sum((2, 4))
