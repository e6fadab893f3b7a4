"""What makes a run the run it is, so that no other is continued by mistake."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from paramjax._hashes import checksums, program_hash
from paramjax._types import Batch, Key, PyTree
from paramjax.runs._batch_spec import BatchSpec
from paramjax.step._state import Trainer, TrainState


def identity(plan: BatchSpec, key: Key, data: PyTree) -> dict[str, Any]:
    """What a checkpoint must agree with before a run goes on from it.

    Args:
        plan: What is static about the run.
        key: Its key.
        data: Its data, None for a stream.

    Returns:
        Name -> a value of JSON: the key's numbers, the batches, and shape, dtype and a
        checksum of each leaf of the data.

    Example:
        >>> identity(BatchSpec(rows=2), jax.random.key(7), {"x": np.zeros(2, np.float32)})["key"]
        [0, 7]
    """
    named = checksums("data", data)
    return {
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "batch_size": plan.batch_size,
        "last_batch": plan.last,
        **(named or {"data": "stream"}),
    }


def program(trainer: Trainer, state: TrainState, batch: Batch) -> str:
    """A fingerprint of what a step computes, with the version of JAX and the devices.

    Args:
        trainer: What a step is.
        state: A state of it.
        batch: A batch, or its shapes.

    Returns:
        Hexadecimal digits, a space, and "JAX ... on ...".

    Example:
        >>> import optax
        >>> from paramjax import train_step
        >>> def of_rate(rate):
        ...     trainer = train_step(lambda p, batch, key: (p**2, {}), optax.sgd(rate))
        ...     return program(trainer, trainer.init(jax.random.key(0), jax.numpy.zeros(())), None)
        >>> of_rate(0.1) == of_rate(0.1), of_rate(0.1) == of_rate(0.2)
        (True, False)
    """
    digits = program_hash(jax.make_jaxpr(jax.jit(trainer.step))(state, batch))
    devices = len(set().union(*(leaf.devices() for leaf in jax.tree.leaves(state))))
    return f"{digits} JAX {jax.__version__} on {devices} {jax.default_backend()}"
