"""What a batch of a stream must be before it may reach a device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe, leaf_name
from paramjax._types import Batch, PyTree


class StreamChanged(ValueError):
    """A batch of a stream has another form than the first one."""


class Form:
    """The form of a stream's first batch, which all others must have.

    Args:
        batch: The first batch.
        step: Its number.

    Raises:
        TypeError: If a leaf is no numeric array, or there is none.

    Example:
        >>> form = Form({"x": [1, 2]}, step=0)
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
        arrays = [
            _numbers(np.asarray(leaf), name, step)
            for name, (_, leaf) in zip(self.names, named, strict=True)
        ]
        self.shapes = [array.shape for array in arrays]
        # what JAX computes in: 32 bits unless told otherwise
        self.dtypes = [jax.dtypes.canonicalize_dtype(array.dtype) for array in arrays]
        self._inexact = [jnp.issubdtype(dtype, jnp.inexact) for dtype in self.dtypes]

    def abstract(self) -> PyTree:
        """A batch of shapes and dtypes.

        Example:
            >>> Form(np.float32([1, 2]), step=0).abstract()
            ShapeDtypeStruct(shape=(2,), dtype=float32)
        """
        leaves = map(jax.ShapeDtypeStruct, self.shapes, self.dtypes)
        return jax.tree.unflatten(self.tree, list(leaves))

    @property
    def nbytes(self) -> int:
        """Bytes of a batch."""
        sizes = zip(self.shapes, self.dtypes, strict=True)
        return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in sizes)

    def read(self, batch: Batch, step: int) -> list[np.ndarray]:
        """The leaves of a batch, which nobody may write to.

        Args:
            batch: A batch.
            step: Its number.

        Returns:
            Arrays of the shapes and dtypes of the first batch.

        Raises:
            StreamChanged: If it has another form.
            ValueError: If a value is NaN or infinite, or a 64-bit value does not fit in 32 bits.
        """
        leaves: list[Any]
        tree: Any
        leaves, tree = jax.tree.flatten(batch)
        if tree != self.tree:
            raise StreamChanged(self._other_leaves(batch, tree, step))
        return [self._leaf(place, np.asarray(leaf), step) for place, leaf in enumerate(leaves)]

    def _leaf(self, place: int, array: np.ndarray, step: int) -> np.ndarray:
        name, dtype = self.names[place], self.dtypes[place]
        if array.dtype != dtype:
            array = _converted(_numbers(array, name, step), name, step)
        if array.shape != self.shapes[place] or array.dtype != dtype:
            expected = jax.ShapeDtypeStruct(self.shapes[place], dtype)
            raise StreamChanged(
                f"data: leaf {name} of batch {step} of the stream is {describe(array)}, expected "
                f"{describe(expected)} as before; drop or pad a last incomplete batch in the stream"
            )
        # on the reading thread: 4 us for a batch of 32 KB, 50 us for one of 1.5 MB
        if self._inexact[place] and not np.isfinite(array).all():
            raise ValueError(_not_finite(array, name, step))
        return array

    def _other_leaves(self, batch: Batch, tree: PyTree, step: int) -> str:
        names = [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(batch)]
        got, expected = ", ".join(names), ", ".join(self.names)
        if names == self.names:
            got, expected = str(tree), str(self.tree)
        return (
            f"data: batch {step} of the stream has the leaves {got}, expected {expected} as before"
        )


def _numbers(array: np.ndarray, name: str, step: int) -> np.ndarray:
    """Refuse what is no array of numbers, or has none."""
    if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == np.bool_):
        raise TypeError(
            f"data: expected numeric arrays in the batches of the stream, got {describe(array)} "
            f"for leaf {name} of batch {step}"
        )
    if array.size == 0:
        raise ValueError(
            f"data: leaf {name} of batch {step} of the stream is empty, shape {array.shape}"
        )
    return array


def _converted(array: np.ndarray, name: str, step: int) -> np.ndarray:
    """The array as JAX will hold it, unless a value does not fit."""
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if dtype == array.dtype:
        return array
    if np.issubdtype(dtype, np.integer):
        low, high, limits = int(array.min()), int(array.max()), np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise ValueError(
                f"data: leaf {name} of batch {step} of the stream holds integers from {low} to "
                f"{high}, which do not fit in {limits.bits} bits"
            )
        return array.astype(dtype)
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if (np.isfinite(array) & ~np.isfinite(converted)).any():
        raise ValueError(
            f"data: leaf {name} of batch {step} of the stream holds values beyond the range of "
            f"{dtype}; rescale it"
        )
    return converted


def _not_finite(array: np.ndarray, name: str, step: int) -> str:
    wrong = ~np.isfinite(array)
    row = f", the first in row {int(np.argwhere(wrong)[0][0])}" if array.ndim else ""
    return (
        f"data: leaf {name} of batch {step} of the stream holds {int(wrong.sum())} values that "
        f"are NaN or infinite{row}; drop or impute them before training"
    )
