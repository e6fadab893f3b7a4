"""Reading a stream batch by batch, from any step."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax

from paramjax._checks import describe
from paramjax._types import Batch
from paramjax.data.streams._position import (
    JSON,
    Accessors,
    Mark,
    Position,
    accessors,
    decode,
    encode,
)


class StreamEnded(ValueError):
    """A stream has no batch for the next step."""


def is_stream(data: Any) -> bool:
    """Whether data comes batch by batch, rather than in arrays that hold all of it.

    Args:
        data: Anything. A stream is an iterator, an iterable (a loader, a grain dataset), or a
            function `(step) -> iterator` of the batches from that step on. Arrays and
            containers of them (dicts, lists, tuples, registered pytrees) are not streams.

    Example:
        >>> is_stream(iter([])), is_stream(lambda step: iter([])), is_stream({"x": [1.0]})
        (True, True, False)
    """
    if not jax.tree_util.all_leaves([data]) or hasattr(data, "__array__"):
        return False
    if isinstance(data, str | bytes | bytearray | Mapping):
        return False
    return isinstance(data, Iterable) or _is_iterator(data) or callable(data)


def can_rewind(source: Any) -> bool:
    """Whether a stream that was read can be opened again at an earlier step.

    An iterator whose state cannot be saved and set cannot be.

    Example:
        >>> can_rewind(range(3)), can_rewind(iter(range(3)))
        (True, False)
    """
    return not _is_iterator(source) or start_position(source) is not None


def start_position(source: Any) -> JSON:
    """The position of a stream that nothing was read from yet.

    None for a stream that always begins at its beginning, or whose state cannot be saved.
    """
    access = accessors(source)
    if access is None:
        return None
    state = access.get()
    try:
        return Position(encode(state), 0).to_json()
    except TypeError:  # `StreamCursor` warns
        return None


class StreamCursor:
    """Reads a user's stream from one step on, and says where it stands; for one thread.

    The position is the state of the iterator some batches ago and how many batches were drawn
    since, so that large states are read seldom. An iterable without a state must yield the same
    batches whenever it is iterated.

    Args:
        source: A stream, see `is_stream`.
        step: Number of the first batch to return.
        position: What `position` was at that step; None draws and drops the batches before,
            unless the stream is a function `(step) -> iterator`.

    Raises:
        TypeError: If it is not a stream, or a function that does not take one argument.
        ValueError: If the position is that of another kind of stream.

    Example:
        >>> cursor = StreamCursor(range(3), step=4, position=None)
        >>> while cursor.behind:
        ...     batch = cursor.draw()
        >>> cursor.draw(), cursor.step
        (1, 5)
    """

    def __init__(self, source: Any, step: int, position: JSON = None) -> None:
        if not is_stream(source):
            raise TypeError(
                "data: expected an iterator, an iterable or a function (step) -> iterator, got "
                f"{describe(source)}"
            )
        self._source, self._first = source, step
        self._is_function = not isinstance(source, Iterable) and not _is_iterator(source)
        if self._is_function:
            _check_takes_step(source)
        self._position = None if position is None else self._checked(position)
        self._iterator: Iterator[Any] | None = None
        self._accessors: Accessors | None = None
        self._mark: Mark | None = None
        reached = 0 if self._position is None else step - self._position.skip
        self.step = step if self._is_function else reached

    def _checked(self, position: JSON) -> Position:
        if self._is_function:
            raise ValueError(
                "data: the saved position is that of an iterator with a state, got a function "
                "of the step; continue with the kind of stream that the run began with"
            )
        read = Position.from_json(position)
        if read.skip > self._first:
            raise ValueError(
                f"data: expected the position of step {self._first}, got one that lies "
                f"{read.skip} batches after the state it holds"
            )
        return read

    @property
    def behind(self) -> int:
        """Batches to draw and drop before the first one."""
        return max(0, self._first - self.step)

    def draw(self) -> Batch:
        """The next batch, or StreamEnded; an iterable that ends is iterated again."""
        if self._iterator is None:
            self._open()
        elif self._mark is not None and self._mark.is_old(self.step):
            self._read_state()
        assert self._iterator is not None
        try:
            batch = next(self._iterator)
        except StopIteration:
            batch = self._draw_again()
        self.step += 1
        return batch

    def position(self) -> JSON:
        """Where the stream stands after the batches so far, None if their number says it."""
        mark = self._mark
        return None if mark is None else Position(mark.state, self.step - mark.step).to_json()

    def close(self) -> None:
        """Close the iterator, unless the user made it."""
        iterator, self._iterator = self._iterator, None
        if iterator is not self._source and callable(close := getattr(iterator, "close", None)):
            close()

    def _open(self) -> None:
        if self._is_function:
            self._iterator = _iterate(self._source(self.step), "the function of the step")
            return
        position, self._position = self._position, None
        own = accessors(self._source)
        if own is not None and position is not None:
            own.set(decode(position.state))  # before a loader is iterated
        self._iterator = _iterate(self._source, "the stream")
        # grain keeps the state in the iterator, torchdata in the loader
        self._accessors = own or accessors(self._iterator)
        if own is None and position is not None:
            self._set(position)
        self._read_state()

    def _set(self, position: Position) -> None:
        if self._accessors is None:
            raise ValueError(
                "data: the saved position is that of an iterator with a state, got "
                f"{type(self._source).__name__} without get_state and set_state; continue "
                "with the kind of stream that the run began with"
            )
        self._accessors.set(decode(position.state))

    def _draw_again(self) -> Batch:
        if self._is_function or self._iterator is self._source:
            raise StreamEnded(
                f"data: the stream ended before batch {self.step}; pass an iterable that can be "
                "iterated again, an endless iterator, or ask for fewer steps"
            ) from None
        self.close()
        self._open()
        assert self._iterator is not None
        try:
            return next(self._iterator)
        except StopIteration:
            raise StreamEnded(
                f"data: the stream ended before batch {self.step}, and yields no batch when "
                f"{type(self._source).__name__} is iterated again"
            ) from None

    def _read_state(self) -> None:
        if self._accessors is None:
            return
        state = self._accessors.get()
        try:
            self._mark = Mark(self.step, encode(state), time.monotonic())
        except TypeError as error:
            self._mark = self._accessors = None
            warnings.warn(
                f"data: the state of {type(self._iterator).__name__} cannot be saved ({error}); a "
                "resumed run will draw the batches before its step and drop them",
                stacklevel=2,
            )


def _is_iterator(thing: Any) -> bool:
    return hasattr(type(thing), "__next__")


def _iterate(thing: Any, what: str) -> Any:
    if isinstance(thing, Iterable):
        return iter(thing)
    if not _is_iterator(thing):
        raise TypeError(f"data: expected an iterator from {what}, got {describe(thing)}")
    return thing


def _check_takes_step(function: Callable[..., Any]) -> None:
    """Raise for a generator function that was not called, among others."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return
    try:
        signature.bind(0)
    except TypeError:
        raise TypeError(
            f"data: expected a function (step) -> iterator, got one that takes {signature}; call "
            "it first if it is a generator function without the step"
        ) from None
