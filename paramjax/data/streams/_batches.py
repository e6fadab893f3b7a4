"""The batches of a stream: the form that all must have, and several in one array."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import aligned
from paramjax._checks import describe, leaf_name
from paramjax._types import Batch, PyTree
from paramjax.data._casts import check_range, check_resolution
from paramjax.data._leaves import as_array, check_finite, check_known
from paramjax.data.streams._position import JSON

_STACK_BATCHES = 64
"""Most batches of a stack."""

_STACK_BYTES = 2**24
"""Most bytes of a stack of two or more batches.

The best of 1, 4, 8, 16, 32 and 64 MB for an MLP on batches of 1.5 MB: with less the host waits
more often for the metrics of a stack, with more its batches have left the cache when they are used.
"""


class StreamChanged(ValueError):
    """A batch of a stream does not have the leaves, shapes and dtypes of the first one."""


class BatchForm:
    """Tree, shapes and dtypes of a stream's first batch, which all others must have.

    Args:
        batch: The first batch.
        step: Its number.

    Raises:
        TypeError: If it has no leaf, or one that is not an array of numbers.
        ValueError: If values are masked, or 64-bit values that differ become equal in 32 bits.

    Example:
        >>> form = BatchForm({"x": [1, 2]}, step=0)
        >>> form.names, form.read({"x": [3, 4]}, step=1)
        (['x/0', 'x/1'], [array(3, dtype=int32), array(4, dtype=int32)])
    """

    def __init__(self, batch: Batch, step: int) -> None:
        named, self.tree = jax.tree_util.tree_flatten_with_path(batch)
        if not named:
            raise TypeError(
                f"data: batch {step} of the stream holds no array, got {describe(batch)}"
            )
        self.names = [leaf_name(path) for path, _ in named]
        arrays = [as_array(_described(leaf_name(path), step), leaf) for path, leaf in named]
        for name, array in zip(self.names, arrays, strict=True):
            check_known(_described(name, step), array)
        self.shapes = [array.shape for array in arrays]
        # what JAX computes in: 32 bits unless told otherwise
        self.dtypes = [jax.dtypes.canonicalize_dtype(array.dtype) for array in arrays]
        for name, array, dtype in zip(self.names, arrays, self.dtypes, strict=True):
            check_resolution(_described(name, step), array, dtype)
        self._inexact = [jnp.issubdtype(dtype, jnp.inexact) for dtype in self.dtypes]

    def abstract(self) -> PyTree:
        """A batch of shapes and dtypes."""
        leaves = map(jax.ShapeDtypeStruct, self.shapes, self.dtypes)
        return jax.tree.unflatten(self.tree, list(leaves))

    @property
    def nbytes(self) -> int:
        """Bytes of a batch."""
        sizes = zip(self.shapes, self.dtypes, strict=True)
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in sizes)

    def read(self, batch: Batch, step: int) -> list[np.ndarray]:
        """The leaves of a batch, for reading only.

        Raises:
            StreamChanged: If it has another form.
            ValueError: If a value is NaN or infinite, or a 64-bit value does not fit in 32 bits.
        """
        leaves: list[Any]
        tree: Any
        leaves, tree = jax.tree.flatten(batch)
        if tree != self.tree:
            raise StreamChanged(self._other_leaves(batch, tree, step))
        return [self._leaf(index, leaf, step) for index, leaf in enumerate(leaves)]

    def _leaf(self, index: int, leaf: Any, step: int) -> np.ndarray:
        dtype, what = self.dtypes[index], _described(self.names[index], step)
        array = leaf if type(leaf) is np.ndarray and leaf.dtype == dtype else as_array(what, leaf)
        if array.dtype != dtype:
            check_known(what, array)
            canonical = jax.dtypes.canonicalize_dtype(array.dtype)
            check_range(what, array, canonical)
            array = array.astype(canonical)
        if array.shape != self.shapes[index] or array.dtype != dtype:
            expected = f"{dtype}[{','.join(map(str, self.shapes[index]))}]"
            raise StreamChanged(
                f"{what} is {describe(array)}, expected {expected} as before; drop or pad a "
                "last incomplete batch in the stream"
            )
        # on the reading thread: 4 us for a batch of 32 KB, 50 us for one of 1.5 MB
        if self._inexact[index]:
            check_finite(what, array)
        return array

    def _other_leaves(self, batch: Batch, tree: PyTree, step: int) -> str:
        names = [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(batch)]
        got, expected = ", ".join(names), ", ".join(self.names)
        if names == self.names:
            got, expected = str(tree), str(self.tree)
        return (
            f"data: batch {step} of the stream has the leaves {got}, expected {expected} as before"
        )


class Stack(NamedTuple):
    """Some consecutive batches.

    Attributes:
        batches: Leaves [size, batch, ...], of which the first `filled` are valid and the
            others hold anything.
        filled: Number of valid batches, positive.
        positions: Where the stream stands after each of them.
    """

    batches: PyTree
    filled: int
    positions: list[JSON]


class StackBuilder:
    """Copies batches into a stack; all stacks have one size, so that one program serves them.

    Example:
        >>> builder = StackBuilder(BatchForm(np.float32([1, 2]), step=0))
        >>> builder.add([np.float32([3, 4])], position=None)
        >>> builder.filled, builder.batches()[0].tolist()
        (1, [3.0, 4.0])
    """

    def __init__(self, form: BatchForm) -> None:
        self.size = max(1, min(_STACK_BATCHES, _STACK_BYTES // form.nbytes))
        self.filled = 0
        self.positions: list[JSON] = []
        self._tree = form.tree
        self._leaves = [
            aligned((self.size, *shape), dtype)
            for shape, dtype in zip(form.shapes, form.dtypes, strict=True)
        ]

    def add(self, leaves: list[np.ndarray], position: JSON) -> None:
        """Copy the leaves of a batch; the stream stands at `position` after it."""
        for stacked, leaf in zip(self._leaves, leaves, strict=True):
            stacked[self.filled] = leaf
        self.positions.append(position)
        self.filled += 1

    def batches(self) -> PyTree:
        """Leaves [size, batch, ...], not copied."""
        return jax.tree.unflatten(self._tree, self._leaves)


def _described(name: str, step: int) -> str:
    return f"data: leaf {name} of batch {step} of the stream"
