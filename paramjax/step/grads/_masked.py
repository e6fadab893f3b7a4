"""A batch of fixed size of which some rows do not count."""

from __future__ import annotations

from typing import Any, NamedTuple

from paramjax._types import Array, Batch


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

    def __getitem__(self, index: Any) -> Any:
        """A field by its number; by a name, as a loss would, it says what this is."""
        if isinstance(index, str):
            raise TypeError(
                f"this batch is Masked rows, its {index!r} is in batch.rows[{index!r}]; "
                "pj.grads.private takes them, and so does a loss that leaves out rows where "
                "batch.mask is False"
            )
        return tuple.__getitem__(self, index)
