"""Tables of pandas and polars as arrays, column by column, so that errors name the column."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def is_frame(value: Any) -> bool:
    """Whether a value is a table or column of pandas or polars.

    Example:
        >>> is_frame(np.zeros(2))
        False
    """
    return any(
        isinstance(value, getattr(sys.modules[library], kind))
        for library in ("pandas", "polars")
        if library in sys.modules
        for kind in ("DataFrame", "Series")
    )


def frame_array(what: str, frame: Any, check: Callable[[str, np.ndarray], None]) -> np.ndarray:
    """A table [rows, columns] or a column [rows] as one array of numbers.

    Args:
        what: How errors name it.
        frame: Of pandas or polars.
        check: Called with the name and the array of each column, to raise what is wrong.

    Returns:
        An array of the dtype that all columns can be cast to.

    Raises:
        TypeError: If a column does not hold numbers or booleans.
        ValueError: If a value is missing, or there are no columns.
    """
    if frame.ndim == 1 if hasattr(frame, "ndim") else len(frame.shape) == 1:
        array = _column(what, frame)
        check(what, array)
        return array
    names = list(frame.columns)
    if not names:
        raise ValueError(f"{what} is a table without columns")
    arrays = []
    for position, name in enumerate(names):
        of_column = f"column {name!r} of {what}"
        column = frame.iloc[:, position] if hasattr(frame, "iloc") else frame.get_column(name)
        arrays.append(_column(of_column, column))
        check(of_column, arrays[-1])
    return np.stack(arrays, axis=1)


def _column(what: str, column: Any) -> np.ndarray:
    """A column without missing values as an array of numbers."""
    kind = _kind(column)
    if kind is None:
        raise TypeError(
            f"{what} holds {column.dtype}, expected numbers; leave it out, or encode it: "
            "categories as .cat.codes or in columns of their own by pandas.get_dummies, times as "
            "seconds since the first"
        )
    missing = int(column.null_count() if hasattr(column, "null_count") else column.isna().sum())
    if missing:
        raise ValueError(
            f"{what} holds {missing} missing values; drop those rows or impute them before training"
        )
    array = np.asarray(column.to_numpy())
    return array if array.dtype != object else array.astype(kind)


def _kind(column: Any) -> type | None:
    """The kind of number of a column, None if it holds no numbers."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(column, pandas.Series):
        types, dtype = pandas.api.types, column.dtype
        for check, kind in (
            (types.is_bool_dtype, np.bool_),
            (types.is_unsigned_integer_dtype, np.uint64),
            (types.is_integer_dtype, np.int64),
            (types.is_float_dtype, np.float64),
            (types.is_complex_dtype, np.complex128),
        ):
            if not isinstance(dtype, pandas.CategoricalDtype) and check(dtype):
                return kind
        return None
    dtype = column.dtype
    numeric = dtype.is_numeric() or str(dtype) == "Boolean"
    return (np.bool_ if str(dtype) == "Boolean" else np.float64) if numeric else None
