"""A batch of fixed size of which some rows do not count."""

from __future__ import annotations

from typing import NamedTuple

from paramjax.types import Array, Batch


class Masked(NamedTuple):
    """Rows, and which of them count: how a random number of rows has a fixed shape.

    Attributes:
        rows: A batch, a pytree of arrays [rows, ...].
        mask: bool[rows]; a row with False contributes nothing, whatever it holds.

    Example:
        >>> import jax.numpy as jnp
        >>> Masked({"x": jnp.zeros((2, 3))}, jnp.array([True, False])).mask.tolist()
        [True, False]
    """

    rows: Batch
    mask: Array
