"""The order in which data is seen: a pure function of (key, epoch), without replacement."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax.types import Array, Key


def epoch_order(key: Key, epoch: Array | int, rows: int) -> Array:
    """The order of the rows in one epoch.

    Args:
        key: The data key of the run.
        epoch: Number of the epoch, from 0.
        rows: Number of rows.

    Returns:
        int32[rows], a permutation.

    Example:
        >>> sorted(epoch_order(jax.random.key(0), 3, 5).tolist())
        [0, 1, 2, 3, 4]
    """
    return jax.random.permutation(jax.random.fold_in(key, epoch), rows).astype(jnp.int32)


def batch_order(key: Key, rows: int, batch_size: int, steps: int) -> Array:
    """Which rows each step sees: epoch after epoch, each in its own order.

    The rows left over at the end of an epoch (fewer than a batch) are dropped, and
    come back in the next epoch's order.

    Args:
        key: The data key of the run.
        rows: Number of rows.
        batch_size: Rows a step, from 1 to `rows`.
        steps: Number of steps.

    Returns:
        int32[steps, batch_size].

    Raises:
        ValueError: If a batch is larger than the data.

    Example:
        >>> batch_order(jax.random.key(0), rows=10, batch_size=3, steps=7).shape
        (7, 3)
    """
    if batch_size > rows:
        raise ValueError(
            f"batch_size: expected at most the {rows} rows of the data, got {batch_size}; "
            "take a smaller batch, or None for the whole data at each step"
        )
    per_epoch = rows // batch_size
    epochs = jnp.arange(-(-steps // per_epoch))
    orders = jax.vmap(lambda epoch: epoch_order(key, epoch, rows))(epochs)
    batches = orders[:, : per_epoch * batch_size].reshape(-1, batch_size)
    return batches[:steps]
