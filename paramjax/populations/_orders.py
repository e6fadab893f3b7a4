"""The rows that each seed reads at each step, drawn on the host in blocks that fit in memory.

They are those of `paramjax.data.batch_order`, bit for bit, made by numpy ahead of need: nothing
is compiled for them, and the machine that trains does not wait.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import aligned
from paramjax._threads import started
from paramjax._threefry import words
from paramjax._types import Array, Key
from paramjax.data._sampler import host_batches, steps_per_epoch

BLOCK_BYTES = 2**26
"""Bytes of a block of the order, 64 MiB; a block holds at least one epoch."""

_DRAWN = 2**18
"""Rows that are drawn at once: what numpy makes on the way takes some ten times their bytes."""


class Orders:
    """The order of batches of several seeds; safe to use from several threads."""

    def __init__(
        self, data_key: Key, seeds: int, rows: int, batch_size: int | None,
        steps: int, seed_rows: Array | np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.batch_size = batch_size
        self._keys, self._seeds = words(data_key), seeds
        self._seed_rows = None if seed_rows is None else np.asarray(seed_rows)
        self._rows, self._steps = rows, steps
        self._drawn: dict[int, Future[np.ndarray]] = {}
        self._blocks: dict[int, Array] = {}
        self._lock = threading.Lock()
        config: Any = jax.config
        # of the thread in which the trainer is traced; those that draw have no setting
        self._partitionable = bool(config.jax_threefry_partitionable)
        self.length = steps
        if batch_size is not None:
            self._per_epoch = steps_per_epoch(rows, batch_size)
            epochs = max(1, BLOCK_BYTES // (4 * self._per_epoch * batch_size * seeds))
            self._epochs = min(epochs, -(-steps // self._per_epoch))
            self.length = min(steps, self._epochs * self._per_epoch)

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

    def ahead(self, step: int = 0) -> None:
        """Begin to draw the block that holds a step, in a thread of its own."""
        if self.batch_size is not None and step < self._steps:
            with self._lock:
                self._begin(step // self.length)

    def block(self, step: int) -> Array | None:
        """The block that holds a step; None if each step reads all rows."""
        if self.batch_size is None:
            return None
        number = step // self.length
        with self._lock:
            if number not in self._blocks:
                self._begin(number)
                drawn = self._drawn.pop(number).result()
                kept = list(self._blocks.items())[-1:]
                self._blocks = {**dict(kept), number: jax.device_put(drawn)}
                if (number + 1) * self.length < self._steps:
                    self._begin(number + 1)
            return self._blocks[number]

    def offset(self, step: int) -> int:
        """The index of a step in its block."""
        return step % self.length

    def _begin(self, number: int) -> None:
        """Begin to draw a block, unless it is there: runs that share an order may read anywhere."""
        if number not in self._drawn and number not in self._blocks:
            # no other one is needed soon
            self._drawn = {number: started(self._draw, number * self._epochs)}

    def _draw(self, first: int) -> np.ndarray:
        """The steps of a block from an epoch on, int32[steps, seeds, batch]."""
        assert self.batch_size is not None
        # aligned, so that a CPU takes it as it is
        block = aligned((self.length, self._seeds, self.batch_size), np.int32)
        at_once = max(1, _DRAWN // self._rows)
        with jax.threefry_partitionable(self._partitionable):
            for seed, epoch in itertools.product(
                range(self._seeds), range(0, self._epochs, at_once)
            ):
                epochs = min(at_once, self._epochs - epoch)
                drawn = host_batches(
                    self._keys[seed], first + epoch, epochs, self._rows, self.batch_size
                )
                if self._seed_rows is not None:
                    drawn = self._seed_rows[seed][drawn]
                part = block[epoch * self._per_epoch :][: len(drawn), seed]
                part[...] = drawn[: len(part)]
        return block
