"""What a run has reported so far, on the host."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class History:
    """Named arrays that grow at their end; an append costs no copy of what is there.

    Example:
        >>> history = History()
        >>> history.append({"loss": np.array([3.0, 2.0])})
        >>> history.append({"loss": np.array([1.0])})
        >>> len(history), history.arrays()["loss"]
        (3, array([3., 2., 1.]))
    """

    def __init__(self, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        self._length = 0
        self._buffers: dict[str, np.ndarray] = {}
        if arrays:
            self.append(arrays)

    def __len__(self) -> int:
        return self._length

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add name -> [rows, ...]; rows of a name that is missing, before or now, are NaN."""
        added = len(next(iter(arrays.values())))
        end = self._length + added
        for name in {**self._buffers, **arrays}:
            before, array = self._buffers.get(name), arrays.get(name)
            if array is None:
                assert before is not None
                array = _missing(added, before)
            array = np.asarray(array)
            if before is None:
                before = _missing(self._length, array)
            self._buffers[name] = buffer = _with_room(before, self._length, end, array)
            buffer[self._length : end] = array
        self._length = end

    def last(self, name: str) -> float | None:
        """The last value of a scalar metric, None before the first."""
        if not self._length or name not in self._buffers:
            return None
        return float(self._buffers[name][self._length - 1])

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all rows, name -> [rows, ...]."""
        return {name: buffer[: self._length].copy() for name, buffer in self._buffers.items()}


def _missing(rows: int, like: np.ndarray) -> np.ndarray:
    """Rows of NaN, of a dtype that has it."""
    dtype = np.promote_types(like.dtype, np.float16) if rows else like.dtype
    return np.full((rows, *like.shape[1:]), np.nan if rows else 0, dtype)


def _with_room(buffer: np.ndarray, length: int, end: int, added: np.ndarray) -> np.ndarray:
    """The buffer, or a longer one with its first rows, that can hold what is added."""
    dtype = np.promote_types(buffer.dtype, added.dtype)
    if len(buffer) >= end and buffer.dtype == dtype:
        return buffer
    grown = np.empty((max(end, 2 * length), *added.shape[1:]), dtype)
    grown[:length] = buffer[:length]
    return grown
