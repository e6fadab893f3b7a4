"""Data that would train to nonsense in silence is refused before it reaches a device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe, leaf_name
from paramjax._types import PyTree


def check_data(data: PyTree) -> int:
    """The number of rows of data that can be trained on.

    Args:
        data: A pytree of arrays [rows, ...] that share their leading axis.

    Returns:
        The number of rows.

    Raises:
        TypeError: If a leaf is not a numeric array.
        ValueError: If there are no rows, leaves disagree in length, a value is NaN or
            infinite, or a 64-bit value does not fit in 32 bits.

    Example:
        >>> check_data({"x": np.zeros((5, 2)), "y": np.zeros(5, np.int32)})
        5
    """
    leaves = jax.tree_util.tree_leaves_with_path(data)
    if not leaves:
        raise ValueError("data: expected at least one array, got an empty tree")
    lengths = {leaf_name(path): _check_rows(f"leaf {leaf_name(path)}", x) for path, x in leaves}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"data: expected leaves of one length, got {lengths}")
    return next(iter(lengths.values()))


def check_labels(labels: Any, num_classes: int) -> None:
    """Raise if class labels lie outside [0, num_classes).

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


def table(x: Any, y: Any, *, num_classes: int | None = None) -> dict[str, np.ndarray]:
    """Checked inputs and targets as the batch `{"x": x, "y": y}` in 32 bits.

    Args:
        x: Inputs [rows, ...].
        y: Targets [rows, ...]; class labels if `num_classes` is given.
        num_classes: Number of classes, which makes `y` integers in [0, num_classes).

    Returns:
        A dict of float32 (labels: int32) arrays with one leading axis.

    Raises:
        TypeError: If an array is not numeric or labels are not integers.
        ValueError: If an array is empty, the lengths differ, a value is NaN, infinite or too
            large for 32 bits, or a label is out of range.

    Example:
        >>> table([[0.0], [1.0]], [0, 1], num_classes=2)["y"].dtype
        dtype('int32')
    """
    data = {"x": np.asarray(x), "y": np.asarray(y)}
    check_data(data)
    if num_classes is not None:
        check_labels(data["y"], num_classes)
    target = np.int32 if num_classes is not None else np.float32
    return {"x": data["x"].astype(np.float32), "y": data["y"].astype(target)}


def check_numbers(what: str, array: Any) -> None:
    """Raise if an array is empty or does not hold numbers."""
    if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == np.bool_):
        raise TypeError(f"data: {what} is {describe(array)}, expected an array of numbers")
    if 0 in array.shape:
        raise ValueError(f"data: {what} is empty, shape {tuple(array.shape)}")


def check_finite(what: str, array: np.ndarray) -> None:
    """Raise if a value is NaN or infinite."""
    finite = np.isfinite(array)
    if not finite.all():
        row = f", the first in row {int(np.argwhere(~finite)[0][0])}" if array.ndim else ""
        raise ValueError(
            f"data: {what} holds {int((~finite).sum())} values that are NaN or infinite{row}; "
            "drop or impute them before training"
        )


def check_fits(what: str, array: np.ndarray, dtype: Any) -> None:
    """Raise if a value lies beyond the range of a dtype; NaN and infinities pass."""
    if np.can_cast(array.dtype, dtype):
        return
    if np.issubdtype(dtype, np.integer):
        low, high, limits = int(array.min()), int(array.max()), np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise ValueError(
                f"data: {what} holds integers from {low} to {high}, which do not fit in "
                f"{limits.bits} bits"
            )
    elif (np.isfinite(array) & (np.abs(array) > np.finfo(dtype).max)).any():
        raise ValueError(
            f"data: {what} holds values beyond the range of {np.dtype(dtype)}; rescale it"
        )


def _check_rows(what: str, leaf: Any) -> int:
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype") or len(leaf.shape) == 0:
        raise TypeError(f"data: {what} is {describe(leaf)}, expected an array [rows, ...]")
    check_numbers(what, leaf)
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        check_finite(what, np.asarray(leaf))
    if leaf.dtype == np.float64:
        check_fits(what, np.asarray(leaf), np.float32)
    elif np.issubdtype(leaf.dtype, np.integer):
        check_fits(what, np.asarray(leaf), np.int32)
    return int(leaf.shape[0])
