"""Which rows each step of a run takes: a function of key and step, drawn by blocks of epochs."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Key, PyTree
from paramjax.data._sampler import LastBatch, epoch_batches, steps_per_epoch

_ORDER_SIZE = 2**14
"""Row numbers that one block of epochs holds at least: 64 KiB."""


class BatchSpec(NamedTuple):
    """What is static about a run.

    Attributes:
        rows: Rows of the data; 0 for a stream.
        batch_size: Rows a step; None for all of them.
        last: What becomes of an epoch's last incomplete batch.
        stop: Whether a chunk ends with the first step that is not finite. The state that it
            started from is kept then, so that the steps before can be done once more.
    """

    rows: int = 0
    batch_size: int | None = None
    last: LastBatch = "drop"
    stop: bool = True

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        if self.batch_size is None:
            return 1
        return steps_per_epoch(self.rows, self.batch_size, self.last)

    @property
    def has_rest(self) -> bool:
        """Whether the last step of an epoch takes a smaller batch."""
        return self.last == "keep" and self.rows % (self.batch_size or self.rows) != 0

    @property
    def epochs(self) -> int:
        """Epochs whose order is drawn at once: many small ones, or a single large one."""
        return 1 if self.has_rest else max(1, _ORDER_SIZE // self.rows)


class Cursor(NamedTuple):
    """The order of the data in a block of epochs; it is drawn again where there is none.

    Attributes:
        block: Number of the block, int32[]; -1 before the first.
        rows: Rows of each step, int32[steps of the block, batch].
        weight: Weight of each row where the last batch is padded, else None.
    """

    block: Array
    rows: Array
    weight: Array | None


def before_the_first(plan: BatchSpec, data_key: Key) -> Cursor | None:
    """A cursor that holds no block yet.

    Args:
        plan: What is static about the run.
        data_key: Names the order of the data.

    Returns:
        The cursor, None where each step takes all rows.

    Example:
        >>> int(before_the_first(BatchSpec(rows=10, batch_size=4), jax.random.key(0)).block)
        -1
    """
    if plan.batch_size is None:
        return None
    shapes = jax.eval_shape(functools.partial(_block, plan, data_key), jnp.int32(0))
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)._replace(
        block=jnp.int32(-1)
    )


def _block(plan: BatchSpec, data_key: Key, block: Array) -> Cursor:
    """Draw the order of a block of epochs."""
    assert plan.batch_size is not None
    draw = functools.partial(
        epoch_batches, data_key, rows=plan.rows, batch_size=plan.batch_size, last=plan.last
    )
    drawn = jax.vmap(draw)(block * plan.epochs + jnp.arange(plan.epochs))
    rows, weight = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), drawn)
    return Cursor(block, rows, weight)


def at_step(plan: BatchSpec, data_key: Key, cursor: Cursor, step: Array) -> tuple[Cursor, Array]:
    """Where the order of the data stands at a step of the run.

    Args:
        plan: What is static about the run.
        data_key: Names the order of the data.
        cursor: Where it stood before.
        step: Steps that the run has done, int32[].

    Returns:
        The cursor, and minus the place of the step in its block, int32[].

    Example:
        >>> plan, key = BatchSpec(rows=20_000, batch_size=4), jax.random.key(0)
        >>> cursor, first = at_step(plan, key, before_the_first(plan, key), jnp.int32(5003))
        >>> int(cursor.block), int(first)
        (1, -3)
    """
    steps = plan.per_epoch * plan.epochs
    block = step // steps
    cursor = jax.lax.cond(
        block == cursor.block, lambda: cursor, lambda: _block(plan, data_key, block)
    )
    return cursor, block * steps - step


def batch_of(data: PyTree, cursor: Cursor, place: Array | int) -> Batch:
    """The rows of one step of a block.

    Args:
        data: Leaves [rows, ...].
        cursor: Where the order stands.
        place: Number of the step in the block.

    Returns:
        Leaves [batch, ...].
    """
    batch = jax.tree.map(lambda leaf: leaf[cursor.rows[place]], data)
    return batch if cursor.weight is None else {**batch, "weight": cursor.weight[place]}


def rest_of(plan: BatchSpec, data: PyTree, cursor: Cursor) -> Batch:
    """The rows that are left at the end of an epoch, fewer than a batch.

    Args:
        plan: What is static about the run.
        data: Leaves [rows, ...].
        cursor: Where the order stands.

    Returns:
        Leaves [rest, ...].
    """
    assert plan.batch_size is not None
    rows = cursor.rows[-1, : plan.rows % plan.batch_size]
    return jax.tree.map(lambda leaf: leaf[rows], data)
