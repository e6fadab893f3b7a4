"""Where an iterator stands, as JSON for the manifest of a checkpoint."""

from __future__ import annotations

import base64
import time
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

JSON = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What `json.dumps` writes."""

_MARK_BATCHES = 64
"""Batches after which the state is read again."""

_MARK_SECONDS = 0.1
"""Seconds after which the state is read again: what a resumed run spends to redraw batches."""


class Accessors(NamedTuple):
    """How the state of an iterator is read and set.

    Attributes:
        get: Returns the state.
        set: Restores a state that `get` returned.
    """

    get: Callable[[], Any]
    set: Callable[[Any], Any]


def accessors(thing: Any) -> Accessors | None:
    """The state methods of grain's iterators or of torchdata's loaders, None without them."""
    for names in (("get_state", "set_state"), ("state_dict", "load_state_dict")):
        get, put = (getattr(thing, name, None) for name in names)
        if callable(get) and callable(put):
            return Accessors(get, put)
    return None


class Position(NamedTuple):
    """A state, and how many batches were drawn since.

    Attributes:
        state: What `encode` returned.
        skip: Batches that were drawn after that state.
    """

    state: JSON
    skip: int

    def to_json(self) -> JSON:
        """The position as JSON.

        Example:
            >>> Position.from_json(Position(7, 2).to_json())
            Position(state=7, skip=2)
        """
        return {"state": self.state, "skip": self.skip}

    @staticmethod
    def from_json(written: JSON) -> Position:
        """Read what `to_json` returned, or raise ValueError."""
        match written:
            case {"state": state, "skip": int(skip), **rest} if skip >= 0 and not rest:
                return Position(state, skip)
        raise ValueError(f"data: expected a position that a stream has saved, got {written!r}")


class Mark(NamedTuple):
    """A state as it was before a batch.

    Attributes:
        step: Number of the batch.
        state: What `encode` returned.
        time: When it was read, in seconds of `time.monotonic`.
    """

    step: int
    state: JSON
    time: float

    def is_old(self, step: int) -> bool:
        """Whether to read the state again before a batch."""
        return step - self.step >= _MARK_BATCHES or time.monotonic() - self.time > _MARK_SECONDS


def encode(state: Any) -> JSON:
    """A state as JSON that `decode` reads back exactly.

    Containers and bytes become pairs of a tag and a content, because JSON has no tuples, bytes
    or keys that are numbers.

    Args:
        state: Numbers, strings, bytes, arrays of numbers, None, and dicts, lists and tuples of
            them.

    Returns:
        JSON that shares no memory with the state.

    Raises:
        TypeError: If a part has another type.

    Example:
        >>> encode({"seen": 3, "rng": b"\\x00"})
        ['dict', [['seen', 3], ['rng', ['bytes', 'AA==']]]]
    """
    # exact types: an enumeration, say, would come back as a number
    if state is None or type(state) in (bool, int, float, str):
        return typing.cast(JSON, state)
    if type(state) is bytes:
        return ["bytes", _text(state)]
    if type(state) is dict:
        return ["dict", [[encode(key), encode(value)] for key, value in state.items()]]
    if type(state) in (list, tuple):
        return [type(state).__name__, [encode(part) for part in state]]
    if isinstance(state, np.ndarray | np.generic) and state.dtype.kind in "biufc":
        kind = "array" if isinstance(state, np.ndarray) else "scalar"
        return [kind, [state.dtype.str, list(state.shape), _text(state.tobytes())]]
    raise TypeError(
        "position: expected numbers, strings, bytes, arrays and dicts, lists or tuples of them, "
        f"got {type(state).__name__}"
    )


def decode(written: JSON) -> Any:
    """Read what `encode` wrote.

    Returns:
        The state; its arrays are writable, and numpy's scalars are scalars again.

    Raises:
        ValueError: If `encode` did not write it.

    Example:
        >>> decode(encode({"seen": 3, 7: (b"\\x00", [None])}))
        {'seen': 3, 7: (b'\\x00', [None])}
    """
    if not isinstance(written, list | dict):
        return written
    match written:
        case ["bytes", str(content)]:
            return base64.b64decode(content)
        case ["dict", list(content)]:
            return {decode(key): decode(value) for key, value in content}
        case ["list", list(content)]:
            return [decode(part) for part in content]
        case ["tuple", list(content)]:
            return tuple(decode(part) for part in content)
        case ["array" | "scalar" as kind, [str(dtype), list(shape), str(content)]]:
            flat = np.frombuffer(base64.b64decode(content), np.dtype(dtype))
            return flat.reshape(shape).copy() if kind == "array" else flat[0]
    raise ValueError(f"position: expected what encode writes, got {written!r}")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
