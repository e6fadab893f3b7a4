"""Which rows each step of a run takes: a function of key and step, drawn by blocks of epochs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from paramjax._types import Array, Batch, Key, PyTree
from paramjax.data._sampler import LastBatch, epoch_batches, steps_per_epoch
from paramjax.step._state import Trainer, TrainState

_ORDER_SIZE = 2**14
"""Row numbers that one block of epochs holds at least: 64 KiB."""

WEIGHT = "weight"
"""The name under which a padded batch holds the weights of its rows."""


class BatchSpec(NamedTuple):
    """How the data is cut into batches, and whether a chunk refuses steps.

    Attributes:
        rows: Rows of the data; 0 for a stream, and where there is none.
        batch_size: Rows a step; None for all of them.
        last: What becomes of an epoch's last incomplete batch.
        stop: Whether a chunk ends with the first step that is not finite. The state that it
            started from is kept then, so that the steps before can be done once more.
        shuffle: Whether each epoch has an order of its own, or that of the rows.
    """

    rows: int = 0
    batch_size: int | None = None
    last: LastBatch = "drop"
    stop: bool = True
    shuffle: bool = True

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
    """The order of the data in a block of epochs.

    Attributes:
        block: Number of the block, int32[]; -1 before the first.
        rows: Rows of each step, int32[steps of the block, batch].
        weight: Weight of each row where the last batch is padded, else None.
    """

    block: Array
    rows: Array
    weight: Array | None


def first_cursor(spec: BatchSpec, data_key: Key) -> Cursor | None:
    """A cursor that holds no block yet; None where each step takes all rows."""
    if spec.batch_size is None:
        return None
    shapes = jax.eval_shape(functools.partial(_block, spec, data_key), jnp.int32(0))
    cursor: Cursor = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return cursor._replace(block=jnp.int32(-1))


def cursor_at(spec: BatchSpec, data_key: Key, cursor: Cursor, step: Array) -> tuple[Cursor, Array]:
    """The cursor at a step of the run, and minus the index of the step in its block, int32[].

    Example:
        >>> spec, key = BatchSpec(rows=20_000, batch_size=4), jax.random.key(0)
        >>> cursor, first = cursor_at(spec, key, first_cursor(spec, key), jnp.int32(5003))
        >>> int(cursor.block), int(first)
        (1, -3)
    """
    steps = spec.per_epoch * spec.epochs
    block = step // steps
    cursor = jax.lax.cond(
        block == cursor.block, lambda: cursor, lambda: _block(spec, data_key, block)
    )
    return cursor, block * steps - step


def _block(spec: BatchSpec, data_key: Key, block: Array) -> Cursor:
    assert spec.batch_size is not None
    drawn = epoch_batches(
        data_key, block * spec.epochs, spec.epochs, spec.rows, spec.batch_size, spec.last,
        spec.shuffle,
    )  # fmt: skip
    return Cursor(block, *drawn)


def batch_at(data: PyTree, cursor: Cursor, index: Array | int) -> Batch:
    """The batch of one step of a block, leaves [batch, ...]."""
    batch = jax.tree.map(lambda leaf: leaf[cursor.rows[index]], data)
    return batch if cursor.weight is None else {**batch, WEIGHT: cursor.weight[index]}


def rest_batch(spec: BatchSpec, data: PyTree, cursor: Cursor) -> Batch:
    """The rows left at the end of an epoch, fewer than a batch."""
    assert spec.batch_size is not None
    rows = cursor.rows[-1, : spec.rows % spec.batch_size]
    return jax.tree.map(lambda leaf: leaf[rows], data)


def batch_shapes(spec: BatchSpec, data: PyTree) -> Batch:
    """Shapes and dtypes of a run's batches, as a tree of `jax.ShapeDtypeStruct`.

    Example:
        >>> batch_shapes(BatchSpec(rows=10, batch_size=4), jnp.zeros((10, 2))).shape
        (4, 2)
    """

    def batch(data: PyTree) -> Batch:
        if spec.batch_size is None:
            return data
        rows = jnp.zeros(spec.batch_size, jnp.int32)
        cursor = Cursor(rows[0], rows[None], jnp.ones((1, *rows.shape)))
        return batch_at(data, cursor if spec.last == "pad" else cursor._replace(weight=None), 0)

    return jax.eval_shape(batch, data)


def check_can_be_padded(data: PyTree) -> None:
    """Raise unless batches of the data can carry a `weight` entry."""
    if not isinstance(data, Mapping):
        raise ValueError(
            'last_batch: "pad" adds batch["weight"], so the data must be a dict, got '
            f'{type(data).__name__}; name its leaves, or take "keep" or "drop"'
        )
    if WEIGHT in data:
        raise ValueError(
            'last_batch: "pad" adds batch["weight"], which the data has already; rename that '
            'leaf, or take "keep" or "drop"'
        )


def check_weight_is_read(trainer: Trainer, state: TrainState, batch: Batch) -> None:
    """Raise if the step ignores `weight`, and so would count the padding as data.

    Example:
        >>> import optax
        >>> from paramjax import train_step
        >>> loss_fn = lambda p, batch, key: (p * (batch["x"] * batch["weight"]).sum(), {})
        >>> trainer = train_step(loss_fn, optax.sgd(1.0))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> check_weight_is_read(trainer, state, {"x": jnp.ones(2), "weight": jnp.ones(2)})
    """
    traced = jax.make_jaxpr(jax.jit(trainer.step))(state, batch)
    _, used = partial_eval.dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path((state, batch))]
    weight: Any = (jax.tree_util.SequenceKey(1), jax.tree_util.DictKey(WEIGHT))
    if not used[paths.index(weight)]:
        raise ValueError(
            'last_batch: the step never reads batch["weight"], so the padding of "pad" would count '
            'as data; weight the loss by it, as losses.supervised does, or take "keep"'
        )
