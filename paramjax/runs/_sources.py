"""Where the batches of a run come from: data that lies on the device, or a stream."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from paramjax._ahead import Ahead
from paramjax._arrays import on_device, partition_spec, place
from paramjax._checks import INT32_MAX
from paramjax._types import Array, Batch, PyTree
from paramjax.data.streams._batches import Stack
from paramjax.data.streams._cursor import start_position
from paramjax.data.streams._prefetch import Prefetcher
from paramjax.runs._batch_spec import BatchSpec, batch_shapes
from paramjax.runs._chunks import Chunk, advance, program_of
from paramjax.runs._order import Order
from paramjax.step._state import Trainer, TrainState

_WAIT_SECONDS = 0.1
"""How long to wait for a batch before asking whether the run was interrupted."""


class ArraySource:
    """Batches of data [rows, ...] on the device; without an order each step takes all of them."""

    def __init__(
        self, trainer: Trainer, spec: BatchSpec, data: PyTree, order: Order | None
    ) -> None:
        self._trainer, self._spec, self._data, self._order = trainer, spec, data, order
        self._rows: Array | None = None
        self._first = self._end = 0
        self._ahead: Ahead | None = None

    @property
    def form(self) -> Batch:
        """Shapes and dtypes of a batch."""
        return batch_shapes(self._spec, self._data)

    @property
    def knows_form(self) -> bool:
        """Whether the form of a batch is known before the first one is there."""
        return True

    def ahead(self, state: TrainState) -> None:
        """Begin to compile the steps."""
        rows = None if self._order is None else self._order.blank()
        program, numbers = program_of(self._trainer, self._spec), (np.int32(0), np.int32(0))
        self._ahead = Ahead(program, state, self._data, rows, *numbers)

    def prepare(self, step: int, interrupted: Callable[[], bool]) -> bool:
        """Wait for the rows of the next steps; return False if the run is interrupted meanwhile."""
        if self._order is not None and not self._order.ends_at(step):
            while not self._order.ready(step, _WAIT_SECONDS):
                if interrupted():
                    return False
            self._rows, self._first, self._end = self._order.at(step)
        return True

    def available(self) -> int:
        """Steps whose batches are at hand, positive after `prepare`."""
        return INT32_MAX if self._rows is None else self._end - self._first

    def advance(self, state: TrainState, most: int) -> Chunk:
        """At most `most` steps, which must be available."""
        if self._ahead is not None:
            self._ahead.wait()
        inputs = self._data, self._rows, self._first, most
        return advance(self._trainer, self._spec, state, *inputs)

    def taken(self, steps: int) -> None:
        """Nothing to do for steps that were accepted."""

    def position(self) -> Any:
        """Nothing to save: the order follows from the number of steps."""
        return None

    def rewind(self, step: int, position: Any) -> None:
        """Nothing to do: `prepare` is given the next step."""

    def close(self) -> None:
        """Draw no more rows."""
        if self._order is not None:
            self._order.close()


class StreamSource:
    """Batches that an iterator delivers, in stacks, ahead of the steps.

    Batches beyond `end`, the steps of the run, are left to the next reader of the source.
    """

    def __init__(
        self,
        trainer: Trainer,
        spec: BatchSpec,
        source: Any,
        place: Callable[[PyTree], PyTree],
        end: int,
    ) -> None:
        self._trainer, self._spec, self._source, self._place = trainer, spec, source, place
        self._end = end
        self._prefetcher: Prefetcher | None = None
        self._stack: Stack | None = None
        self._used = 0
        self._position = start_position(source)

    @property
    def form(self) -> Batch:
        """Shapes and dtypes of a batch; known once the source was opened."""
        assert self._prefetcher is not None
        return self._prefetcher.form

    @property
    def knows_form(self) -> bool:
        """Whether the form of a batch is known before the first one is there."""
        return False

    def ahead(self, state: TrainState) -> None:
        """Nothing: what the program is given shows with the first batch."""

    def prepare(self, step: int, interrupted: Callable[[], bool]) -> bool:
        """Wait for a batch; return False if the run is interrupted meanwhile."""
        if self._prefetcher is None:
            self.rewind(step, self._position)
        assert self._prefetcher is not None
        if self._stack is None or self._used == self._stack.filled:
            self._stack = None  # its memory is free while the next one is awaited
            while not self._prefetcher.wait(_WAIT_SECONDS):
                if interrupted():
                    return False
            self._stack, self._used = self._prefetcher.next(), 0
        return True

    def available(self) -> int:
        """Steps whose batches are at hand, positive after `prepare`."""
        return 0 if self._stack is None else self._stack.filled - self._used

    def advance(self, state: TrainState, most: int) -> Chunk:
        """At most `most` steps, which must be available."""
        assert self._stack is not None
        inputs = self._stack.batches, None, self._used, most
        return advance(self._trainer, self._spec, state, *inputs)

    def taken(self, steps: int) -> None:
        """Move on behind the batches of steps that were accepted."""
        if steps:
            assert self._stack is not None
            self._used += steps
            self._position = self._stack.positions[self._used - 1]

    def position(self) -> Any:
        """What a checkpoint saves of the source's position after the last step."""
        return self._position

    def rewind(self, step: int, position: Any) -> None:
        """Open the source again at a step."""
        if self._prefetcher is not None:
            self._prefetcher.close(math.inf)  # two threads must not read one iterator
        self._prefetcher = self._stack = None
        self._position = position
        self._prefetcher = Prefetcher(
            self._source, step=step, position=position, place=self._place, end=self._end
        )

    def close(self) -> None:
        """Stop reading ahead."""
        if self._prefetcher is not None:
            self._prefetcher.close()
        self._prefetcher = self._stack = None


BatchSource = ArraySource | StreamSource


def placer(state: TrainState, *, private: bool = False) -> Callable[[PyTree], PyTree]:
    """A function that puts leaves [rows, ...] whole on each device that holds the state.

    Private leaves are written by nothing else, so that their memory can be taken over.

    Example:
        >>> from paramjax import TrainState
        >>> state = TrainState(0, np.zeros(2), (), (), (), jax.random.key(0))
        >>> placer(state)({"x": [1.0, 2.0]})["x"][0].dtype
        dtype('float32')
    """
    shardings = (getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(state))
    meshes = [s.mesh for s in shardings if isinstance(s, NamedSharding) and s.mesh.size > 1]
    if not meshes:
        return jax.device_put if private else lambda data: jax.tree.map(on_device, data)
    whole = NamedSharding(meshes[0], partition_spec())
    return lambda data: jax.tree.map(lambda leaf: _replicated(leaf, whole), data)


def _replicated(leaf: Any, sharding: NamedSharding) -> Any:
    """The array on every device of a mesh, also of one that spans processes."""
    if not getattr(leaf, "is_fully_addressable", True):
        return leaf  # spread by the user already
    return place(on_device(leaf), sharding)
