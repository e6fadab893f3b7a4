"""The rows of each step of a run, drawn on the host while the device computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from paramjax._arrays import aligned
from paramjax._threefry import Words
from paramjax._types import Array, PyTree
from paramjax.data._sampler import host_batches
from paramjax.runs._batch_spec import BatchSpec


class Order:
    """Blocks of rows, int32[steps of a block, batch], the next one drawn ahead.

    All blocks have one shape, so that one program serves runs of any length, and a block is filled
    as far as the run goes.

    Args:
        spec: How the data is cut into batches.
        data_key: Words of the key of the data.
        steps: Steps of the run.
        place: Puts a block on the devices.

    Example:
        >>> from paramjax._threefry import words
        >>> spec = BatchSpec(rows=20_000, batch_size=4)
        >>> order = Order(spec, words(jax.random.key(0)), 10**6, jax.device_put)
        >>> rows, first = order.at(260_003)
        >>> rows.shape, first
        ((260000, 4), 3)
        >>> order.close()
    """

    def __init__(
        self, spec: BatchSpec, data_key: Words, steps: int, place: Callable[[PyTree], PyTree]
    ) -> None:
        self._spec, self._data_key, self._steps, self._place = spec, data_key, steps, place
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="paramjax order")
        self._drawn: dict[int, Future[np.ndarray]] = {}
        self._placed: tuple[int, Any] = (-1, None)
        config: Any = jax.config
        self._partitionable: bool = config.jax_threefry_partitionable

    def blank(self) -> Array:
        """A block of any rows, of which the program of the steps is compiled."""
        blank: Array = self._place(aligned((self._spec.block_steps, self._width), np.int32))
        return blank

    def at(self, step: int) -> tuple[Array, int]:
        """The block of a step, and the index of the step in it."""
        number, first = divmod(step, self._spec.block_steps)
        self._drawn = {n: own for n, own in self._drawn.items() if n in (number, number + 1)}
        if self._placed[0] != number:
            self._draw(number)
            self._draw(number + 1)
            self._placed = number, self._place(self._drawn[number].result())
        return self._placed[1], first

    def close(self) -> None:
        """Draw no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _width(self) -> int:
        assert self._spec.batch_size is not None
        return self._spec.batch_size

    def _draw(self, number: int) -> None:
        if number not in self._drawn and number * self._spec.block_steps < self._steps:
            self._drawn[number] = self._pool.submit(self._block, number)

    def _block(self, number: int) -> np.ndarray:
        spec = self._spec
        left = self._steps - number * spec.block_steps
        epochs = min(spec.block_epochs, -(-left // spec.per_epoch))
        # settings of a block of code hold in its own thread only
        with jax.threefry_partitionable(self._partitionable):
            drawn = host_batches(
                self._data_key, number * spec.block_epochs, epochs, spec.rows, self._width,
                spec.last, spec.shuffle,
            )  # fmt: skip
        block = aligned((spec.block_steps, self._width), np.int32)
        block[: len(drawn)] = drawn
        return block
