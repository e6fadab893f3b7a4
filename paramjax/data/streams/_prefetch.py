"""A thread reads the batches of a stream ahead and puts them on the devices in stacks."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax

from paramjax._types import Batch, PyTree
from paramjax.data.streams._batches import BatchForm, Stack, StackBuilder
from paramjax.data.streams._cursor import StreamCursor, StreamEnded
from paramjax.data.streams._position import JSON

_GATHER_SECONDS = 0.002
"""How long to wait for a full stack before a partial one is taken: batches of a slowish stream
come in groups, which saves the start of a chunk for each, and those of a very slow one at once."""

_CLOSE_SECONDS = 5.0
"""How long to wait for a batch that is being drawn when a stream is closed."""


class StreamBlockedWarning(UserWarning):
    """A stream still waited for a batch when it was closed."""


class Prefetcher:
    """Returns stacks of batches while a thread fills the next ones, at most two ahead.

    A batch is copied when it is drawn, so a stream may write each batch into the same memory.

    Args:
        stream: See `is_stream`; it belongs to the thread until `close`.
        step: Steps done; the first batch is that of the next one.
        position: Where the stream stood then, None if the number of steps says it.
        place: Puts a stack of numpy arrays, which nothing writes to any more, on the devices.
        end: Number of the first batch not to draw; None draws ahead without an end.

    Raises:
        TypeError: If it is not a stream.
        ValueError: If the position is that of another kind of stream.

    Example:
        >>> from contextlib import closing
        >>> import numpy as np
        >>> stream = iter([np.float32([1, 2]), np.float32([3, 4])])
        >>> with closing(
        ...     Prefetcher(stream, step=0, position=None, place=jax.device_put, end=2)
        ... ) as batches:
        ...     stack = batches.next()
        >>> stack.batches[: stack.filled].tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """

    def __init__(
        self,
        stream: Any,
        *,
        step: int,
        position: JSON,
        place: Callable[[PyTree], PyTree],
        end: int | None = None,
    ) -> None:
        self._cursor, self._place = StreamCursor(stream, step, position), place
        self._end = math.inf if end is None else end
        self._form: BatchForm | None = None
        self._changed = threading.Condition()
        self._ready: Stack | None = None
        self._building: StackBuilder | None = None
        self._error: BaseException | None = None
        self._close_error: Exception | None = None
        self._closed = self._takes_partial = False
        config: Any = jax.config
        setting = config.jax_enable_x64, config.jax_default_device
        self._thread = threading.Thread(
            target=self._fill, args=setting, name="paramjax stream", daemon=True
        )
        self._thread.start()

    @property
    def form(self) -> PyTree:
        """Shapes and dtypes of the first batch; waits for it, and raises as `next` does."""
        with self._changed:
            self._changed.wait_for(lambda: self._form is not None or self._error is not None)
            if self._form is None:
                assert self._error is not None
                raise self._error
            return self._form.abstract()

    def next(self) -> Stack:
        """The next stack; waits until there is a batch.

        Raises:
            StreamEnded: If the stream has no more batches.
            StreamChanged: If the next batch has another form.
            TypeError: If a leaf is not a numeric array.
            ValueError: If a value is not finite or does not fit.
            BaseException: Whatever the stream itself raises.
        """
        with self._changed:
            self.wait(math.inf)
            stack, self._ready = self._ready, None
            partial = None
            if stack is None:
                partial, self._building = self._building, None
            if stack is None and partial is None:
                assert self._error is not None
                raise self._error  # again at each later call
            self._changed.notify_all()
        return stack or self._placed(partial)

    def wait(self, seconds: float) -> bool:
        """Wait at most so long, and say whether `next` would return or raise at once."""
        with self._changed:
            if self._changed.wait_for(self._is_full, min(seconds, _GATHER_SECONDS)):
                return True
            rest = None if math.isinf(seconds) else seconds - _GATHER_SECONDS
            self._takes_partial = True
            try:
                return self._changed.wait_for(
                    lambda: self._is_full() or self._building is not None, rest
                )
            finally:
                self._takes_partial = False

    def _is_full(self) -> bool:
        return self._ready is not None or self._error is not None

    def _has_batch(self) -> bool:
        return self._is_full() or self._building is not None

    def close(self, patience: float = _CLOSE_SECONDS) -> None:
        """End the thread, which closes the stream.

        Args:
            patience: Seconds to wait for a batch that is being drawn. Pass `math.inf` if the
                stream is to be read again: two threads must not read one iterator.

        Raises:
            Exception: If closing the iterator raises it.

        Warns:
            StreamBlockedWarning: If the batch did not come; the thread ends when it does.
        """
        with self._changed:
            self._closed = True
            self._ready = self._building = None
            self._changed.notify_all()
        self._thread.join(None if math.isinf(patience) else patience)
        if self._thread.is_alive():
            warnings.warn(
                f"data: the stream has been waiting for batch {self._cursor.step} for more than "
                f"{patience:g} s and is left so; its thread ends once the batch comes",
                StreamBlockedWarning,
                stacklevel=2,
            )
            return
        error, self._close_error = self._close_error, None
        if error is not None:
            raise error

    def _fill(self, x64: bool, device: Any) -> None:
        # settings of a block of code hold in its own thread only
        with jax.enable_x64(x64), jax.default_device(device):
            try:
                self._draw_all()
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
            try:
                self._cursor.close()
            except Exception as error:
                self._close_error = error

    def _draw_all(self) -> None:
        while self._cursor.behind and not self._closed:
            self._cursor.draw()
        while self._cursor.step < self._end and not self._closed:
            batch, step = self._cursor.draw(), self._cursor.step - 1
            if self._form is None:
                self._begin(BatchForm(batch, step))
            full = self._add(batch, step)
            if full is not None:
                self._hand_over(self._placed(full))
        if not self._closed:
            raise StreamEnded(f"data: no batch was to be drawn from {self._end} on")

    def _begin(self, form: BatchForm) -> None:
        with self._changed:
            self._form = form
            self._changed.notify_all()

    def _add(self, batch: Batch, step: int) -> StackBuilder | None:
        """Add a batch to the stack that is being built, and return the stack if it is complete."""
        assert self._form is not None
        leaves = self._form.read(batch, step)
        with self._changed:
            if self._building is None:
                self._building = StackBuilder(self._form)
            self._building.add(leaves, self._cursor.position())
            if self._building.filled < self._building.size and self._cursor.step < self._end:
                if self._takes_partial:  # otherwise waking up for each batch would cost time
                    self._changed.notify_all()
                return None
            full, self._building = self._building, None
            return full

    def _placed(self, builder: StackBuilder | None) -> Stack:
        assert builder is not None
        return Stack(self._place(builder.batches()), builder.filled, builder.positions)

    def _hand_over(self, stack: Stack) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready is None or self._closed)
            if not self._closed:
                self._ready = stack
                self._changed.notify_all()
