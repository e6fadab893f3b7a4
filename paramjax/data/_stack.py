"""Batches in a row, in one array a leaf."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import numpy as np

from paramjax._types import PyTree
from paramjax.data._incoming import Form
from paramjax.data._position import JSON

_STACK_BATCHES = 64
"""Batches of a stack at most."""

_STACK_BYTES = 2**24
"""Bytes of a stack at most, a single batch excepted.

The best of 1, 4, 8, 16, 32 and 64 MB for an MLP on batches of 1.5 MB: with less the host waits
more often for the metrics of a stack, with more its batches have left the cache when they are used.
"""

_ALIGNMENT = 64
"""Bytes; an array that begins at a multiple is taken over by XLA on a CPU without a copy."""


class Stack(NamedTuple):
    """Some batches in a row.

    Attributes:
        batches: Leaves [size, batch, ...], of which the first `filled` are valid and the
            others hold anything.
        filled: Batches in it, positive.
        positions: Where the stream stands after each of them.
    """

    batches: PyTree
    filled: int
    positions: list[JSON]


class Begun:
    """A stack that is being filled; all have one size, so that one program serves them.

    Args:
        form: What a batch is.

    Example:
        >>> begun = Begun(Form(np.float32([1, 2]), step=0))
        >>> begun.add([np.float32([3, 4])], position=None)
        >>> begun.filled, begun.batches()[0].tolist()
        (1, [3.0, 4.0])
    """

    def __init__(self, form: Form) -> None:
        self.size = max(1, min(_STACK_BATCHES, _STACK_BYTES // form.nbytes))
        self.filled = 0
        self.positions: list[JSON] = []
        self._tree = form.tree
        self._leaves = [
            _aligned((self.size, *shape), dtype)
            for shape, dtype in zip(form.shapes, form.dtypes, strict=True)
        ]

    def add(self, leaves: list[np.ndarray], position: JSON) -> None:
        """Copy a batch.

        Args:
            leaves: What `Form.read` returned.
            position: Where the stream stands after it.
        """
        for stacked, leaf in zip(self._leaves, leaves, strict=True):
            stacked[self.filled] = leaf
        self.positions.append(position)
        self.filled += 1

    def batches(self) -> PyTree:
        """Leaves [size, batch, ...], not copied."""
        return jax.tree.unflatten(self._tree, self._leaves)


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that is not filled, whose pages cost nothing before they are."""
    nbytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(nbytes + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + nbytes].view(dtype).reshape(shape)
