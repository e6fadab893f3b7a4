"""Max-pooling whose gradient is elementwise."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from paramjax._types import Array


def max_pool(x: Array, size: int = 2) -> Array:
    """The maximum over windows of `size` x `size`, which do not overlap.

    The gradient goes to the first of several maxima, in the order of rows, as that of
    `lax.reduce_window` does. It compares places and selects, where a scatter or a padded sum
    would keep a CPU from using its vector units.

    Args:
        x: [batch, height, width, channels]; rows and columns beyond the last whole
            window are dropped.
        size: Side of a window, in pixels, at least 1.

    Returns:
        [batch, height // size, width // size, channels].

    Raises:
        ValueError: If x has another number of axes, or the size is less than 1.

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


def _places(windows: Array) -> list[Array]:
    """Each place of a window, in the order of rows: size * size of [batch, rows, columns, ...]."""
    size = windows.shape[2]
    return [windows[:, :, i, :, j] for i in range(size) for j in range(size)]


@jax.custom_jvp
def _largest(windows: Array) -> Array:
    """The maximum over axes 2 and 4 of [batch, rows, size, columns, size, channels]."""
    return functools.reduce(jnp.maximum, _places(windows))


@_largest.defjvp
def _largest_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (windows,), (change,) = primals, tangents
    size, out = windows.shape[2], _largest(windows)
    # one byte for each window is all that the backward pass keeps of them
    dtype = jnp.uint8 if size <= 16 else jnp.int32
    place = jnp.full(out.shape, size * size - 1, dtype)
    for number, values in reversed(list(enumerate(_places(windows)))):
        place = jnp.where(values == out, jnp.asarray(number, dtype), place)
    numbers = jnp.arange(size * size, dtype=dtype).reshape(1, 1, size, 1, size, 1)
    chosen = place[:, :, None, :, None] == numbers
    return out, jnp.where(chosen, change, jnp.zeros((), change.dtype)).sum((2, 4))
