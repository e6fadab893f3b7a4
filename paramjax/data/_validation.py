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
    _check_whole("labels", labels, num_classes, "number the classes from 0")


def _check_whole(what: str, values: Any, count: int, advice: str) -> None:
    """Raise unless all values are whole numbers in [0, count)."""
    array = as_array(what, values)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f"{what}: expected integers, got {describe(array)}; pass {what}.astype(np.int32) "
            "if they are whole numbers"
        )
    wrong = np.flatnonzero((array < 0) | (array >= count))
    if wrong.size:
        row = int(wrong[0]) // max(1, array.size // len(array)) if array.ndim else 0
        raise ValueError(
            f"{what}: expected whole numbers from 0 to {count - 1}, got "
            f"{int(array.reshape(-1)[wrong[0]])} at row {row} ({wrong.size} such {what}); {advice}"
        )


def table(
    x: Any, y: Any, *, num_classes: int | None = None, vocabulary: int | None = None
) -> dict[str, np.ndarray]:
    """Checked inputs and targets as the batch `{"x": x, "y": y}` in 32 bits.

    Numbers become floats, integers too, such as counts and pixels; `num_classes` and `vocabulary`
    say which ones are names of classes and of tokens, and stay integers.

    Args:
        x: Inputs [rows, ...]: an array, nested lists, or a table of pandas or polars (nullable
            columns too, as long as nothing is missing).
        y: Targets [rows, ...]; class labels if `num_classes` is given.
        num_classes: Number of classes, which makes `y` integers in [0, num_classes).
        vocabulary: Number of different tokens, such as a tokeniser's `size`, which makes `x`
            integers in [0, vocabulary).

    Returns:
        A dict of float32 (labels and tokens: int32) arrays with one leading axis.

    Raises:
        TypeError: If an array is not of real numbers, or labels or tokens are not integers.
        ValueError: If an array is empty, the lengths differ, a value is NaN, infinite, missing,
            masked or too large for 32 bits, a label or token is out of range, or values that differ
            would become equal in float32, such as seconds since 1970.

    Example:
        >>> table([[0.0], [1.0]], [0, 1], num_classes=2)["y"].dtype
        dtype('int32')
        >>> table([[2, 5], [3, 0]], [0, 1], num_classes=2, vocabulary=6)["x"].tolist()
        [[2, 5], [3, 0]]
    """
    data = {name: as_array(f"data: leaf {name}", part) for name, part in (("x", x), ("y", y))}
    _rows(data, "data", _check_real)
    if num_classes is not None:
        check_labels(data["y"], num_classes)
    if vocabulary is not None:
        check_count("vocabulary", vocabulary)
        _check_whole("tokens", data["x"], vocabulary, "was another tokeniser used?")
    whole = {"x": vocabulary is not None, "y": num_classes is not None}
    for name, part in data.items():
        target = np.int32 if whole[name] else np.float32
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
