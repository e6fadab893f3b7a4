"""The order in which data is seen: a pure function of (key, epoch), without replacement."""

from __future__ import annotations

import typing
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from paramjax import _threefry
from paramjax._checks import check_count, check_key, check_seed
from paramjax._threefry import Words, words
from paramjax._types import Array, Key

LastBatch = Literal["drop", "keep", "pad"]
"""What happens to the rows left over at the end of an epoch, fewer than a batch."""


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
    """The rows of each step: epoch after epoch, each in its own order.

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
    per_epoch = steps_per_epoch(rows, batch_size)
    epochs = jnp.arange(-(-steps // per_epoch))
    orders = jax.vmap(lambda epoch: epoch_order(key, epoch, rows))(epochs)
    return orders[:, : per_epoch * batch_size].reshape(-1, batch_size)[:steps]


def order_of(
    key: Key,
    rows: int,
    batch_size: int | None,
    steps: int,
    *,
    seed: int | None = None,
    last_batch: LastBatch = "drop",
    shuffle: bool = True,
) -> np.ndarray:
    """The rows of each step that `fit` draws with a key, or `sweep` and `search` with key and seed.

    `fit` splits its key into that of the state and that of the data, whose `fold_in` with the
    number of an epoch permutes the rows of that epoch. `sweep` and `search` split theirs into one
    of their own and one for all runs, whose `fold_in` with the seed they split into the keys of
    initialisation, state and data.

    Args:
        key: The key that was passed to `fit`, `sweep` or `search`.
        rows: Rows of the data.
        batch_size: Rows a step, from 1 to `rows`; None takes all, in their order.
        steps: Number of steps.
        seed: Number of the seed in a sweep or search, from 0; None for `fit`.
        last_batch: As passed to `fit`.
        shuffle: As passed to `fit`.

    Returns:
        int32[steps, batch_size]; -1 where the last batch of an epoch has fewer rows.

    Raises:
        TypeError: If the key is a legacy one, or a count is not a whole number.
        ValueError: If a count is out of range, a batch is larger than the data, or `last_batch`
            is none of the three.

    Example:
        >>> order_of(jax.random.key(0), rows=5, batch_size=2, steps=3, last_batch="keep")[2]
        array([ 2, -1], dtype=int32)
    """
    check_key(key)
    check_count("rows", rows)
    check_count("steps", steps)
    if last_batch not in typing.get_args(LastBatch):
        raise ValueError(f"last_batch: expected 'drop', 'keep' or 'pad', got {last_batch!r}")
    if batch_size is None:
        return np.tile(np.arange(rows, dtype=np.int32), (steps, 1))
    per_epoch = steps_per_epoch(rows, check_count("batch_size", batch_size), last_batch)
    epochs = -(-steps // per_epoch)
    order = host_batches(_data_key(key, seed), 0, epochs, rows, batch_size, last_batch, shuffle)
    place = np.arange(per_epoch * batch_size).reshape(per_epoch, batch_size)
    return np.where(np.tile(place < rows, (epochs, 1)), order, np.int32(-1))[:steps]


def _data_key(key: Key, seed: int | None) -> Words:
    """The key of the data in a run of `fit`, or in that of a seed of `sweep` or `search`."""
    own: Words = _threefry.split(words(key))[1]
    if seed is not None:
        own = _threefry.split(_threefry.fold_in(own, check_seed(seed)), 3)[2]
    return own


def host_batches(
    data_key: Words,
    first: int,
    epochs: int,
    rows: int,
    batch_size: int,
    last: LastBatch = "drop",
    shuffle: bool = True,
) -> np.ndarray:
    """The batches of `epochs` consecutive epochs, made by numpy: int32[steps, batch_size].

    They are those of `batch_order`, to the bit. A kept or padded last batch is filled with the
    rows that come first in the same epoch. Without shuffling, each epoch takes the rows in their
    order.

    Raises:
        ValueError: If a batch is larger than the data.

    Example:
        >>> batches = host_batches(words(jax.random.key(0)), 0, 1, 5, 3, "pad")
        >>> sorted(batches.reshape(-1)[:5].tolist()), batches[1, 2] == batches[0, 0]
        ([0, 1, 2, 3, 4], np.True_)
    """
    taken = steps_per_epoch(rows, batch_size, last) * batch_size
    if shuffle:
        orders = _threefry.permutations(
            _threefry.fold_in(data_key, np.arange(first, first + epochs)), rows
        )
    else:
        orders = np.tile(np.arange(rows, dtype=np.int32), (epochs, 1))
    if taken > rows:
        orders = np.concatenate([orders, orders[:, : taken - rows]], axis=1)
    return orders[:, :taken].reshape(-1, batch_size)


def steps_per_epoch(rows: int, batch_size: int, last: LastBatch = "drop") -> int:
    """Steps that see every row once, at least one; a dropped incomplete batch is not a step.

    Raises:
        ValueError: If a batch is larger than the data.

    Example:
        >>> steps_per_epoch(10, 4), steps_per_epoch(10, 4, "keep")
        (2, 3)
    """
    if batch_size > rows:
        raise ValueError(
            f"batch_size: expected at most the {rows} rows of the data, got {batch_size}; "
            "take a smaller batch, or None for the whole data at each step"
        )
    return rows // batch_size if last == "drop" else -(-rows // batch_size)
