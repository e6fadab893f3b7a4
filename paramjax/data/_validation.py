"""Data that would train in silence to nonsense is refused before it reaches a device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import INT32_MAX, describe, leaf_name
from paramjax._types import PyTree


def check_data(data: PyTree) -> int:
    """Refuse data that would train in silence to nonsense.

    Args:
        data: A pytree of arrays [rows, ...] that share their leading axis.

    Returns:
        The number of rows.

    Raises:
        TypeError: If a leaf is no numeric array.
        ValueError: If there are no rows, leaves disagree in length, a value is NaN or
            infinite, or a 64-bit value does not fit in 32 bits.

    Example:
        >>> check_data({"x": np.zeros((5, 2)), "y": np.zeros(5, np.int32)})
        5
    """
    leaves = jax.tree_util.tree_leaves_with_path(data)
    if not leaves:
        raise ValueError("data: expected at least one array, got an empty tree")
    lengths = {leaf_name(path): _check_rows(leaf_name(path), leaf) for path, leaf in leaves}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"data: expected leaves of one length, got {lengths}")
    return next(iter(lengths.values()))


def check_labels(labels: Any, num_classes: int) -> None:
    """Refuse class labels outside [0, num_classes).

    Args:
        labels: Integer array of any shape.
        num_classes: Number of classes, positive.

    Raises:
        TypeError: If the labels are not integers.
        ValueError: If a label is out of range: in a compiled loss it would become NaN,
            or count as another class.

    Example:
        >>> check_labels(np.array([0, 2, 1]), num_classes=3)
    """
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"labels: expected integers, got {describe(labels)}")
    wrong = np.flatnonzero((array < 0) | (array >= num_classes))
    if wrong.size:
        first = int(wrong[0])
        raise ValueError(
            f"labels: expected whole numbers from 0 to {num_classes - 1}, got "
            f"{int(array.reshape(-1)[first])} at row {first} ({wrong.size} such rows); "
            "number the classes from 0"
        )


def _check_rows(name: str, leaf: Any) -> int:
    """The length of one leaf of the data, which must be numeric, finite and not empty."""
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype") or len(leaf.shape) == 0:
        raise TypeError(f"data: leaf {name} is {describe(leaf)}, expected an array [rows, ...]")
    if 0 in leaf.shape:
        raise ValueError(f"data: leaf {name} is empty, shape {tuple(leaf.shape)}")
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        _check_finite(name, np.asarray(leaf))
    elif np.issubdtype(leaf.dtype, np.integer):
        _check_fits(name, np.asarray(leaf))
    elif leaf.dtype != np.bool_:
        raise TypeError(f"data: leaf {name} has dtype {leaf.dtype}, expected numbers")
    return int(leaf.shape[0])


def _check_finite(name: str, array: np.ndarray) -> None:
    """Refuse NaN, infinities, and float64 values beyond float32."""
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise ValueError(
            f"data: leaf {name} holds {int((~finite).sum())} values that are NaN or infinite, the "
            f"first in row {row}; drop or impute them before training"
        )
    if array.dtype == np.float64 and np.abs(array).max() > np.finfo(np.float32).max:
        raise ValueError(f"data: leaf {name} holds values beyond the range of float32; rescale it")


def _check_fits(name: str, array: np.ndarray) -> None:
    """Refuse 64-bit integers that JAX would wrap to 32 bits."""
    low, high = int(array.min()), int(array.max())
    if low < -(2**31) or high > INT32_MAX:
        raise ValueError(
            f"data: leaf {name} holds integers from {low} to {high}, which do not fit in 32 bits"
        )
