"""Batches filled up to their size: what the data and the loss must allow for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from paramjax._types import Batch, PyTree
from paramjax.runs._batch_spec import BatchSpec
from paramjax.step._state import Trainer, TrainState

WEIGHT = "weight"
"""The name under which a padded batch holds the weights of its rows."""


def check_can_be_padded(data: PyTree) -> None:
    """Refuse data to whose batches no weight can be added.

    Args:
        data: Leaves [rows, ...].

    Raises:
        ValueError: If it is no mapping, or has a weight already.

    Example:
        >>> check_can_be_padded({"x": jnp.zeros(3)})
    """
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


def batch_form(plan: BatchSpec, data: PyTree) -> Batch:
    """Shapes and dtypes of a run's batches.

    Args:
        plan: What is static about the run.
        data: Leaves [rows, ...].

    Returns:
        A tree of `jax.ShapeDtypeStruct`.

    Example:
        >>> batch_form(BatchSpec(rows=10, batch_size=4), jnp.zeros((10, 2))).shape
        (4, 2)
    """
    size = plan.batch_size or plan.rows

    def form(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((size, *jnp.shape(leaf)[1:]), jnp.result_type(leaf))

    batch = jax.tree.map(form, data)
    if plan.last != "pad":
        return batch
    return {**batch, WEIGHT: jax.ShapeDtypeStruct((size,), jnp.float32)}


def check_weight_is_read(trainer: Trainer, state: TrainState, batch: Batch) -> None:
    """Refuse a loss that would count the padding as if it were data.

    Args:
        trainer: What a step is.
        state: A state.
        batch: Shapes of a padded batch.

    Raises:
        ValueError: If nothing that the step computes depends on the weight.

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
    weight = (jax.tree_util.SequenceKey(1), jax.tree_util.DictKey(WEIGHT))
    if not used[paths.index(weight)]:
        raise ValueError(
            'last_batch: the step never reads batch["weight"], so the padding of "pad" would count '
            'as data; weight the loss by it, as losses.supervised does, or take "keep"'
        )
