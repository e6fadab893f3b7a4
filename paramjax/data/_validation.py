"""Data that would train to nonsense in silence is refused before it reaches a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, describe, leaf_name
from paramjax._types import PyTree
from paramjax.data._casts import check_cast
from paramjax.data._leaves import as_array, check_finite, check_leaf, is_sparse


def check_data(data: PyTree, name: str = "data") -> int:
    """The number of rows of data that can be trained on.

    Args:
        data: A pytree of arrays [rows, ...] that share their leading axis.
        name: What errors call it, such as `eval_data`.

    Returns:
        The number of rows.

    Raises:
        TypeError: If a leaf is not an array of numbers that JAX has: a table, a sparse matrix,
            strings, times, objects, another byte order.
        ValueError: If there are no rows, leaves disagree in length, a value is NaN, infinite or
            masked, a 64-bit value does not fit in the 32 bits that JAX computes in (unless
            `jax_enable_x64` is set), or float64 values that differ would become equal there.

    Example:
        >>> check_data({"x": np.zeros((5, 2)), "y": np.zeros(5, np.int32)})
        5
    """

    def check(what: str, leaf: Any) -> None:
        check_leaf(what, leaf)
        if not isinstance(leaf, jax.Array):
            check_cast(what, leaf, jax.dtypes.canonicalize_dtype(leaf.dtype))

    return _rows(data, name, check)


def check_table(data: PyTree, name: str = "data") -> int:
    """The number of rows of data that stays on the host, where no cast can change it."""
    return _rows(data, name, check_leaf)


def check_labels(labels: Any, num_classes: int) -> None:
    """Raise if class labels lie outside [0, num_classes).

    Args:
        labels: Integers or booleans of any shape.
        num_classes: Number of classes, positive.

    Raises:
        TypeError: If the labels or the number of classes are not integers.
        ValueError: If there are no classes, or a label is masked or out of range: in a compiled
            loss it would become NaN, or count as another class.

    Example:
        >>> check_labels(np.array([0, 2, 1]), num_classes=3)
    """
    check_count("num_classes", num_classes)
    array = as_array("labels", labels)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f"labels: expected integers, got {describe(array)}; pass y.astype(np.int32) if they "
            "are whole numbers"
        )
    wrong = np.flatnonzero((array < 0) | (array >= num_classes))
    if wrong.size:
        row = int(wrong[0]) // max(1, array.size // len(array)) if array.ndim else 0
        raise ValueError(
            f"labels: expected whole numbers from 0 to {num_classes - 1}, got "
            f"{int(array.reshape(-1)[wrong[0]])} at row {row} ({wrong.size} such labels); "
            "number the classes from 0"
        )


def table(x: Any, y: Any, *, num_classes: int | None = None) -> dict[str, np.ndarray]:
    """Checked inputs and targets as the batch `{"x": x, "y": y}` in 32 bits.

    Args:
        x: Inputs [rows, ...]: an array, nested lists, or a table of pandas or polars (nullable
            columns too, as long as nothing is missing).
        y: Targets [rows, ...]; class labels if `num_classes` is given.
        num_classes: Number of classes, which makes `y` integers in [0, num_classes).

    Returns:
        A dict of float32 (labels: int32) arrays with one leading axis.

    Raises:
        TypeError: If an array is not of real numbers or labels are not integers.
        ValueError: If an array is empty, the lengths differ, a value is NaN, infinite, missing,
            masked or too large for 32 bits, a label is out of range, or values that differ would
            become equal in float32, such as seconds since 1970.

    Example:
        >>> table([[0.0], [1.0]], [0, 1], num_classes=2)["y"].dtype
        dtype('int32')
    """
    data = {name: as_array(f"data: leaf {name}", part) for name, part in (("x", x), ("y", y))}
    _rows(data, "data", _check_real)
    if num_classes is not None:
        check_labels(data["y"], num_classes)
    for name, part in data.items():
        is_label = name == "y" and num_classes is not None
        target = np.int32 if is_label else np.float32
        check_cast(f"data: leaf {name}", part, target)
        data[name] = part.astype(target)
    return data


def _rows(data: PyTree, name: str, check: Callable[[str, Any], Any]) -> int:
    """The common length of all leaves, each of which is checked under its name."""
    leaves = jax.tree_util.tree_leaves_with_path(data, is_leaf=is_sparse)
    if not leaves:
        raise ValueError(f"{name}: expected at least one array, got an empty tree")
    for path, leaf in leaves:
        check(f"{name}: leaf {leaf_name(path)}", leaf)
    lengths = {leaf_name(path): len(leaf) for path, leaf in leaves}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name}: expected leaves of one length, got {lengths}")
    return next(iter(lengths.values()))


def _check_real(what: str, array: np.ndarray) -> None:
    if array.ndim == 0:
        raise TypeError(f"{what} is one number, {describe(array)}, expected an array [rows, ...]")
    if array.dtype.kind == "c":
        raise TypeError(
            f"{what} is {describe(array)}, expected real numbers; pass its real and imaginary "
            "parts as columns"
        )
    check_finite(what, array)
