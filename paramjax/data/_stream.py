"""Batches of a stream, read ahead by a thread and put on the devices in stacks."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax

from paramjax._types import Batch, PyTree
from paramjax.data._incoming import Form
from paramjax.data._position import JSON
from paramjax.data._source import Source, StreamEnded
from paramjax.data._stack import Begun, Stack

_GATHER_SECONDS = 0.002
"""How long a full stack is waited for before one that is begun is taken: the batches of a rather
slow stream go on in groups, so that starting a chunk for each takes no time from the reading
thread, and those of a very slow one at once."""

_CLOSE_SECONDS = 5.0
"""How long a batch that is being drawn is waited for when a stream is closed."""


class StreamBlockedWarning(UserWarning):
    """A stream was left while it still waited for a batch."""


class Stacks:
    """Hands out stacks while a thread fills the next ones; at most two are ahead.

    A batch is copied when it is drawn, so a stream may write each batch into the same memory.

    Args:
        source: The batches; from now on the thread's.
        place: Puts a stack of numpy arrays, which nobody writes to any more, on the devices.
        end: Number of the first batch not to draw; None draws ahead without an end.

    Example:
        >>> from contextlib import closing
        >>> import numpy as np
        >>> source = Source(iter([np.float32([1, 2]), np.float32([3, 4])]), step=0)
        >>> with closing(Stacks(source, jax.device_put, end=2)) as stacks:
        ...     stack = stacks.next()
        >>> stack.batches[: stack.filled].tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """

    def __init__(
        self, source: Source, place: Callable[[PyTree], PyTree], end: int | None = None
    ) -> None:
        self._source, self._place = source, place
        self._end = math.inf if end is None else end
        self._form: Form | None = None
        self._changed = threading.Condition()
        self._ready: Stack | None = None
        self._begun: Begun | None = None
        self._error: BaseException | None = None
        self._close_error: Exception | None = None
        self._closed = self._takes_begun = False
        config: Any = jax.config
        setting = config.jax_enable_x64, config.jax_default_device
        self._thread = threading.Thread(
            target=self._fill, args=setting, name="paramjax stream", daemon=True
        )
        self._thread.start()

    @property
    def form(self) -> PyTree:
        """Shapes and dtypes of a batch, as the first one has them, which is waited for.

        Raises:
            BaseException: What `next` would raise, if there is no first batch.
        """
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
            TypeError: If it holds something else than numeric arrays.
            ValueError: If it holds values that are not finite or do not fit.
            BaseException: Whatever the stream itself raises.
        """
        with self._changed:
            self.wait(math.inf)
            stack, self._ready = self._ready, None
            begun = None
            if stack is None:
                begun, self._begun = self._begun, None
            if stack is None and begun is None:
                assert self._error is not None
                raise self._error  # whoever asks again hears the same
            self._changed.notify_all()
        return stack or self._placed(begun)

    def wait(self, seconds: float) -> bool:
        """Wait for a batch, or for the news that there is none, so that `next` need not.

        Args:
            seconds: How long at most.

        Returns:
            Whether `next` will return, or raise, at once.
        """
        with self._changed:
            full = lambda: self._ready is not None or self._error is not None  # noqa: E731
            if self._changed.wait_for(full, min(seconds, _GATHER_SECONDS)):
                return True
            rest = None if math.isinf(seconds) else seconds - _GATHER_SECONDS
            self._takes_begun = True
            try:
                return self._changed.wait_for(lambda: full() or self._begun is not None, rest)
            finally:
                self._takes_begun = False

    def close(self, patience: float = _CLOSE_SECONDS) -> None:
        """End the thread, which closes the source.

        Args:
            patience: Seconds to wait for a batch that is being drawn. Where the source is to
                be read again it takes `math.inf`: two threads must not read one iterator.

        Raises:
            Exception: Whatever the iterator raises as it is closed.

        Warns:
            StreamBlockedWarning: If the batch did not come; the thread ends when it does.
        """
        with self._changed:
            self._closed = True
            self._ready = self._begun = None
            self._changed.notify_all()
        self._thread.join(None if math.isinf(patience) else patience)
        if self._thread.is_alive():
            warnings.warn(
                f"data: the stream has been waiting for batch {self._source.step} for more than "
                f"{patience:g} s and is left so; its thread ends once the batch comes",
                StreamBlockedWarning,
                stacklevel=2,
            )
            return
        error, self._close_error = self._close_error, None
        if error is not None:
            raise error

    def _fill(self, x64: bool, device: Any) -> None:
        # what is set for a block of code counts in its own thread only
        with jax.enable_x64(x64), jax.default_device(device):
            try:
                self._draw_all()
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
            try:
                self._source.close()
            except Exception as error:
                self._close_error = error

    def _draw_all(self) -> None:
        while self._source.behind and not self._closed:
            self._source.draw()
        while self._source.step < self._end and not self._closed:
            batch, step = self._source.draw(), self._source.step - 1
            if self._form is None:
                self._begin(Form(batch, step))
            full = self._add(batch, step)
            if full is not None:
                self._hand_over(self._placed(full))
        if not self._closed:
            raise StreamEnded(f"data: no batch was to be drawn from {self._end} on")

    def _begin(self, form: Form) -> None:
        with self._changed:
            self._form = form
            self._changed.notify_all()

    def _add(self, batch: Batch, step: int) -> Begun | None:
        """Add a batch to the stack that is begun, and take the stack if that was the last."""
        assert self._form is not None
        leaves = self._form.read(batch, step)
        with self._changed:
            if self._begun is None:
                self._begun = Begun(self._form)
            self._begun.add(leaves, self._source.position())
            if self._begun.filled < self._begun.size and self._source.step < self._end:
                if self._takes_begun:  # waking up for every batch of a group would cost time
                    self._changed.notify_all()
                return None
            full, self._begun = self._begun, None
            return full

    def _placed(self, begun: Begun | None) -> Stack:
        assert begun is not None
        return Stack(self._place(begun.batches()), begun.filled, begun.positions)

    def _hand_over(self, stack: Stack) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready is None or self._closed)
            if not self._closed:
                self._ready = stack
                self._changed.notify_all()


def open_stacks(
    source: Any,
    *,
    step: int,
    position: JSON,
    place: Callable[[PyTree], PyTree],
    end: int | None = None,
) -> Stacks:
    """Open a stream at a step.

    Args:
        source: A stream, see `is_stream`.
        step: Steps done; the first batch is that of the next one.
        position: Where the stream stood then, None if counting says it.
        place: Puts a stack of numpy arrays on the devices, see `Stacks`.
        end: Steps of the run, beyond which no batch is drawn; None draws ahead without an end.

    Returns:
        Its stacks, to be closed.

    Raises:
        TypeError: If it is no stream.
        ValueError: If the position is not one of such a stream.
    """
    return Stacks(Source(source, step, position), place, end)
