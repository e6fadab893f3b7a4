"""What users pass as data, tables and lists of numbers too, as numpy arrays in double precision."""

from __future__ import annotations

from numbers import Real
from typing import Any

import jax
import numpy as np

from paramjax._checks import describe, leaf_name
from paramjax._types import PyTree
from paramjax.data._frames import is_frame
from paramjax.estimate.inputs._traced import refuse_traced


def plain_data(data: PyTree) -> PyTree:
    """Data as numpy arrays, float64 where they are real.

    A list of numbers is an array, a table of pandas or polars a dict of its columns.

    Raises:
        TypeError: If a leaf is no array of numbers.

    Example:
        >>> plain_data({"x": [1, None], "n": 3})
        {'n': array(3), 'x': array([ 1., nan])}
    """
    refuse_traced("data", data)
    whole = jax.tree.map(_columns, data, is_leaf=_is_one)
    return jax.tree_util.tree_map_with_path(_plain, whole, is_leaf=_is_one)


def infinite_in(data: PyTree, row: int) -> str:
    """Which leaves are infinite in a row, for a message; "" if none is.

    Example:
        >>> infinite_in({"x": np.array([1.0, np.inf])}, 1)
        ', where x is infinite in the data'
    """
    named = [
        leaf_name(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(data)
        if leaf.ndim and len(leaf) > row and leaf.dtype.kind == "f" and np.isinf(leaf[row]).any()
    ]
    return f", where {', '.join(named)} is infinite in the data" if named else ""


def _is_one(node: Any) -> bool:
    return is_frame(node) or (isinstance(node, list) and bool(node) and _is_numbers(node))


def _is_numbers(node: Any) -> bool:
    if isinstance(node, list):
        return all(map(_is_numbers, node))
    return node is None or isinstance(node, (Real, np.bool_))


def _columns(node: Any) -> Any:
    if not hasattr(node, "columns"):
        return node
    if hasattr(node, "iloc"):
        return {str(name): node.iloc[:, at] for at, name in enumerate(node.columns)}
    return {str(name): node[name] for name in node.columns}


def _plain(path: tuple[Any, ...], leaf: Any) -> np.ndarray:
    array = _array(leaf)
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "O" and all(_is_numbers(entry) for entry in array.flat):
        return array.astype(np.float64)
    if array.dtype.kind not in "iub":
        raise TypeError(f"data: expected numbers, got {describe(array)} at {leaf_name(path)}")
    return array


def _array(leaf: Any) -> np.ndarray:
    """An array; a ragged list is an array of lists."""
    try:
        return np.asarray(leaf)
    except ValueError:
        return np.asarray(leaf, dtype=object)


def plain_column(
    name: str, value: Any, kept: np.ndarray | None = None, axes: int = 1
) -> np.ndarray:
    """Weights, or standard deviations named sigma, in double precision; only rows kept count.

    Raises:
        TypeError: If they are no numbers.
        ValueError: If one is not finite or not large enough; its row is named. If there are more
            axes.
    """
    refuse_traced(name, value)
    array = value if isinstance(value, np.memmap) else _array(value)
    if array.dtype.kind == "O" and all(_is_numbers(entry) for entry in array.flat):
        array = array.astype(np.float64)
    if array.dtype.kind not in "iubf" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name}: expected numbers, got {describe(value)}")
    array = array.astype(np.float64, copy=False)
    if array.ndim > axes:
        form = "[n]" if axes == 1 else "[n] or [m, n]"
        raise ValueError(f"{name}: expected {form}, got {describe(array)}")
    wrong = ~(((array > 0) if name == "sigma" else (array >= 0)) & np.isfinite(array))
    if kept is not None and array.shape == kept.shape:
        wrong &= kept
    if wrong.any():
        at = np.argwhere(wrong)[0]
        row = f" in row {', '.join(map(str, at))}" if array.ndim else ""
        least = "above 0" if name == "sigma" else "from 0"
        raise ValueError(f"{name}: expected finite numbers {least}, got {array[tuple(at)]:g}{row}")
    return array
