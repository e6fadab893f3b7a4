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
        """Add rows.

        Args:
            arrays: Name -> [rows, ...], the same names each time.
        """
        added = len(next(iter(arrays.values())))
        end = self._length + added
        for name, array in arrays.items():
            array = np.asarray(array)
            buffer = self._buffers.get(name)
            if buffer is None or len(buffer) < end:
                grown = np.empty((max(end, 2 * self._length), *array.shape[1:]), array.dtype)
                if buffer is not None:
                    grown[: self._length] = buffer[: self._length]
                self._buffers[name] = buffer = grown
            buffer[self._length : end] = array
        self._length = end

    def truncate(self, length: int) -> None:
        """Forget all rows but the first.

        Args:
            length: Rows to keep.
        """
        self._length = min(self._length, length)

    def last(self, name: str) -> float | None:
        """The last value of a scalar metric, None where there is none."""
        if not self._length or name not in self._buffers:
            return None
        return float(self._buffers[name][self._length - 1])

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all rows, name -> [rows, ...]."""
        return {name: buffer[: self._length].copy() for name, buffer in self._buffers.items()}
