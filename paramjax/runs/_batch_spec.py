"""How the data of a run is cut into batches, and the batch of one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from paramjax._arrays import rows_at
from paramjax._types import Array, Batch, PyTree
from paramjax.data._sampler import LastBatch, steps_per_epoch
from paramjax.step._state import Trainer, TrainState

_ORDER_SIZE = 2**20
"""Row numbers of a block of the order, about: 4 MiB. A chunk of steps ends with its block."""

WEIGHT = "weight"
"""The name under which a padded batch holds the weights of its rows."""


class BatchSpec(NamedTuple):
    """How the data is cut into batches, and whether a chunk refuses steps.

    Attributes:
        rows: Rows of the data; 0 for a stream, and where there is none.
        batch_size: Rows a step; None for all of them.
        last: What becomes of an epoch's last incomplete batch.
        stop: Whether a step that is not finite is refused. The state that a chunk started from is
            kept then, so that the steps before can be done once more.
        shuffle: Whether each epoch has an order of its own, or that of the rows.
        burst: Steps that the device takes without asking the host, see `_step_loop`.
    """

    rows: int = 0
    batch_size: int | None = None
    last: LastBatch = "drop"
    stop: bool = True
    shuffle: bool = True
    burst: int = 1

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
    def block_epochs(self) -> int:
        """Epochs whose order is handed to the device at once: many small ones, or a large one."""
        return max(1, _ORDER_SIZE // (self.per_epoch * (self.batch_size or 1)))

    @property
    def block_steps(self) -> int:
        """Steps of a block."""
        return self.block_epochs * self.per_epoch


def batch_at(spec: BatchSpec, data: PyTree, rows: Array | None, index: Array | int) -> Batch:
    """The batch of one step, leaves [batch, ...].

    Args:
        spec: How the data is cut into batches.
        data: Leaves [rows, ...], or a stack of batches of a stream [steps, batch, ...].
        rows: Rows of the steps of a block, int32[steps, batch]; None without a batch size.
        index: Number of the step in the block or in the stack.
    """
    if rows is None:
        return data if spec.rows else jax.tree.map(lambda leaf: leaf[index], data)
    own = jax.lax.dynamic_index_in_dim(rows, index, keepdims=False, allow_negative_indices=False)
    batch = jax.tree.map(lambda leaf: rows_at(leaf, own), data)
    if spec.last != "pad":
        return batch
    size = rows.shape[1]
    place = index % spec.per_epoch * size + jnp.arange(size)
    return {**batch, WEIGHT: (place < spec.rows).astype(jnp.float32)}


def rest_batch(spec: BatchSpec, data: PyTree, rows: Array, index: Array) -> Batch:
    """The rows left at the end of an epoch, fewer than a batch."""
    rest = rows[index, : spec.rows % rows.shape[1]]
    return jax.tree.map(lambda leaf: rows_at(leaf, rest), data)


def batch_shapes(spec: BatchSpec, data: PyTree) -> Batch:
    """Shapes and dtypes of a run's batches, as a tree of `jax.ShapeDtypeStruct`.

    Example:
        >>> batch_shapes(BatchSpec(rows=10, batch_size=4), jnp.zeros((10, 2))).shape
        (4, 2)
    """

    def batch(data: PyTree) -> Batch:
        rows = None if spec.batch_size is None else jnp.zeros((1, spec.batch_size), jnp.int32)
        return batch_at(spec, data, rows, 0)

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
