"""The rows of each step of a run, drawn on the host while the device computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._arrays import aligned
from paramjax._threads import PREFIX
from paramjax._threefry import Words
from paramjax._types import Array, PyTree
from paramjax.data._sampler import host_batches
from paramjax.runs._batch_spec import BatchSpec

_PIECE_ROWS = 2**15
"""Row numbers that are drawn at once, about: a millisecond, for which the first steps wait."""

_MOST_ROWS = 2**18
"""Row numbers that are handed over together at most: what the host does between two chunks takes
as long as drawing a few thousand."""


class _Block(NamedTuple):
    """A block that is being filled: its memory, and its pieces with the step behind each."""

    rows: np.ndarray
    pieces: list[tuple[int, Future[None]]]


class Order:
    """Blocks of rows, int32[steps of a block, batch], the next one drawn ahead.

    All blocks have one shape, so that one program serves runs of any length. A block is filled
    piece by piece, as far as the run goes; steps begin when the first piece is there.

    Args:
        spec: How the data is cut into batches.
        data_key: Words of the key of the data.
        steps: Steps of the run.
        place: Puts a block on the devices.

    Example:
        >>> from paramjax._threefry import words
        >>> spec = BatchSpec(rows=20_000, batch_size=4)
        >>> order = Order(spec, words(jax.random.key(0)), 10**6, jax.device_put)
        >>> rows, first, end = order.at(260_003)
        >>> rows.shape, first, end >= 5000
        ((260000, 4), 3, True)
        >>> order.close()
    """

    def __init__(
        self, spec: BatchSpec, data_key: Words, steps: int, place: Callable[[PyTree], PyTree]
    ) -> None:
        self._spec, self._data_key, self._steps, self._place = spec, data_key, steps, place
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"{PREFIX} order")
        self._blocks: dict[int, _Block] = {}
        self._placed: tuple[int, int, Any] = (-1, 0, None)
        config: Any = jax.config
        self._partitionable: bool = config.jax_threefry_partitionable

    def blank(self) -> Array:
        """A block of any rows, of which the program of the steps is compiled."""
        blank: Array = self._place(aligned((self._spec.block_steps, self._width), np.int32))
        return blank

    def ready(self, step: int, seconds: float) -> bool:
        """Wait so long at most for the rows of a step, of which there are some."""
        number, first = divmod(step, self._spec.block_steps)
        self._draw(number)
        needed = (piece for end, piece in self._blocks[number].pieces if end > first)
        return bool(wait([next(needed)], seconds).done)

    def ends_at(self, step: int) -> bool:
        """Whether the run is over after so many steps."""
        return step >= self._steps

    def at(self, step: int) -> tuple[Array, int, int]:
        """The block of a step, the index of the step in it, and that behind what is drawn of it."""
        number, first = divmod(step, self._spec.block_steps)
        self._blocks = {n: own for n, own in self._blocks.items() if n in (number, number + 1)}
        self._draw(number)
        self._draw(number + 1)
        if self._placed[0] != number or self._placed[1] <= first:
            rows, pieces = self._blocks[number]
            there = 0
            for end, piece in pieces:
                if there > first and not piece.done():
                    break
                piece.result()
                there = end
            self._placed = number, there, self._place(rows)
        return self._placed[2], first, self._placed[1]

    def close(self) -> None:
        """Draw no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _width(self) -> int:
        assert self._spec.batch_size is not None
        return self._spec.batch_size

    def _draw(self, number: int) -> None:
        spec = self._spec
        left = self._steps - number * spec.block_steps
        if number in self._blocks or left <= 0:
            return
        rows = aligned((spec.block_steps, self._width), np.int32)
        first, epochs = (
            number * spec.block_epochs,
            min(spec.block_epochs, -(-left // spec.per_epoch)),
        )
        pieces, begin, size, most = [], 0, self._epochs(_PIECE_ROWS), self._epochs(_MOST_ROWS)
        while begin < epochs:
            end = min(epochs, begin + size)
            part = rows[begin * spec.per_epoch : end * spec.per_epoch]
            done = self._pool.submit(self._fill, part, first + begin)
            pieces.append((end * spec.per_epoch, done))
            begin, size = end, min(2 * size, most)
        self._blocks[number] = _Block(rows, pieces)

    def _epochs(self, rows: int) -> int:
        """Epochs of about so many row numbers, at least one."""
        return max(1, rows // (self._spec.per_epoch * self._width))

    def _fill(self, part: np.ndarray, first: int) -> None:
        """Draw the rows of consecutive epochs."""
        spec, size = self._spec, self._epochs(_PIECE_ROWS) * self._spec.per_epoch
        # settings of a block of code hold in its own thread only
        with jax.threefry_partitionable(self._partitionable):
            for begin in range(0, len(part), size):
                own, epoch = part[begin : begin + size], first + begin // spec.per_epoch
                own[:] = host_batches(
                    self._data_key, epoch, len(own) // spec.per_epoch, spec.rows, self._width,
                    spec.last, spec.shuffle,
                )  # fmt: skip
