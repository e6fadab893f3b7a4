"""Steps of a trainer as one scan."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Metrics, PyTree
from paramjax.step._state import Trainer, TrainState


def scan_steps(
    trainer: Trainer, state: TrainState, data: PyTree, order: Array | None, steps: int
) -> tuple[TrainState, Metrics]:
    """Run some steps as one scan.

    Args:
        trainer: What a step is.
        state: Where to start.
        data: A pytree of arrays [rows, ...].
        order: int32[steps, batch], the rows of each step; None for all of them.
        steps: Number of steps.

    Returns:
        The last state, and metrics as arrays [steps].

    Example:
        >>> import optax
        >>> from paramjax import train_step
        >>> trainer = train_step(lambda p, batch, key: (p * batch.mean(), {}), optax.sgd(1.0))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, history = scan_steps(trainer, state, jnp.ones(4), None, steps=3)
        >>> float(state.params)
        -3.0
    """

    def body(state: TrainState, rows: Array | None) -> tuple[TrainState, Metrics]:
        batch: Batch = data if rows is None else jax.tree.map(lambda leaf: leaf[rows], data)
        return trainer.step(state, batch)

    # numpy leaves inside a scan would be indexed by a tracer, which numpy refuses
    data = jax.tree.map(jnp.asarray, data)
    return jax.lax.scan(body, state, order, length=steps)
