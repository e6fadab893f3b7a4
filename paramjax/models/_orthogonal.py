"""Orthogonal kernels without LAPACK, which two programs at once cannot call on a CPU."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramjax._types import Array, Key


def orthogonal(key: Key, shape: Any, dtype: Any = float, out_sharding: Any = None) -> Array:
    """A kernel whose rows or columns, whichever are fewer, are orthonormal (Saxe et al., 2014).

    The values of `jax.nn.initializers.orthogonal`, up to rounding. That one's `jnp.linalg.qr` runs
    in the thread pool of XLA's CPU client: where two programs call it at the same time, as a sweep
    does that measures layouts, both wait for each other for ever (jaxlib 0.10, two cores).
    """
    del out_sharding
    outputs, inputs = shape[-1], math.prod(shape[:-1])
    tall = jax.random.normal(key, (max(outputs, inputs), min(outputs, inputs)), dtype)
    columns = _orthonormal(tall)
    rows = columns if outputs > inputs else columns.T
    return jnp.moveaxis(rows.reshape(outputs, *shape[:-1]), 0, -1)


@jax.jit
def _orthonormal(tall: Array) -> Array:
    """Gram-Schmidt, each column against those before it twice (Giraud et al., 2005)."""

    def step(j: Any, done: Array) -> Any:
        # of lax, for XLA takes longer to compile what an index needs
        column = lax.dynamic_index_in_dim(tall, j, 1, keepdims=False, allow_negative_indices=False)
        for _ in range(2):
            column = column - done @ (column @ done)
        column = column / jnp.linalg.norm(column)
        return lax.dynamic_update_index_in_dim(done, column, j, 1, allow_negative_indices=False)

    done: Array = lax.fori_loop(0, tall.shape[1], step, jnp.zeros_like(tall))
    return done
