"""The rows that each seed reads at each step, drawn in blocks of epochs that fit in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Key
from paramjax.data._sampler import epoch_batches, steps_per_epoch
from paramjax.populations._compiler_options import jit_to_run_once

BLOCK_BYTES = 2**26
"""Bytes of a block of the order, 64 MiB; a block holds at least one epoch."""


class Orders:
    """The order of batches of several seeds; safe to use from several threads."""

    def __init__(
        self, data_key: Callable[[], Key], seeds: int, rows: int, batch_size: int | None,
        steps: int, seed_rows: Array | None = None,
    ) -> None:  # fmt: skip
        self.batch_size = batch_size
        self._data_key, self._seeds, self._seed_rows = data_key, seeds, seed_rows
        self._rows, self._steps = rows, steps
        self._blocks: dict[int, Array] = {}
        self._lock = threading.Lock()
        self.length = steps
        if batch_size is not None:
            per_epoch = steps_per_epoch(rows, batch_size)
            epochs = max(1, BLOCK_BYTES // (4 * per_epoch * batch_size * seeds))
            self._epochs = min(epochs, -(-steps // per_epoch))
            self.length = min(steps, self._epochs * per_epoch)

    @property
    def ends(self) -> list[int]:
        """The steps after which a block ends, the last one the end of the run."""
        return [*range(self.length, self._steps, self.length), self._steps]

    @property
    def shape(self) -> jax.ShapeDtypeStruct | None:
        """Shape and dtype of a block; None if each step reads all rows."""
        if self.batch_size is None:
            return None
        shape_of: Any = jax.ShapeDtypeStruct
        block: jax.ShapeDtypeStruct = shape_of(
            (self.length, self._seeds, self.batch_size), jnp.int32
        )
        return block

    def block(self, step: int) -> Array | None:
        """The block that holds a step; None if each step reads all rows."""
        if self.batch_size is None:
            return None
        number = step // self.length
        with self._lock:
            if number not in self._blocks:
                first = number * self._epochs
                draw = jit_to_run_once(_draw, "rows", "batch_size", "epochs", "steps")
                drawn = draw(
                    self._data_key(), np.int32(first), self._seed_rows, rows=self._rows,
                    batch_size=self.batch_size, epochs=self._epochs, steps=self.length,
                )  # fmt: skip
                kept = list(self._blocks.items())[-1:]
                self._blocks = {**dict(kept), number: drawn}
            return self._blocks[number]

    def offset(self, step: int) -> int:
        """The index of a step in its block."""
        return step % self.length


def _draw(
    data_key: Key, first: Array, seed_rows: Array | None, *, rows: int, batch_size: int,
    epochs: int, steps: int,
) -> Array:  # fmt: skip
    """The first steps of some epochs of every seed, int32[steps, seeds, batch]."""

    def one(seed: tuple[Key, Array | None]) -> Array:
        key, own = seed
        drawn = epoch_batches(key, first, epochs, rows, batch_size)[0][:steps]
        return drawn if own is None else own[drawn]

    return jnp.swapaxes(jax.lax.map(one, (data_key, seed_rows)), 0, 1)
