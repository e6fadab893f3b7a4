"""The matrix of a regression, from an array or a table of columns, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from paramjax._checks import describe
from paramjax.data._frames import is_frame

Missing = Literal["raise", "drop"]


class Design(NamedTuple):
    """A matrix with the names of its columns.

    Attributes:
        matrix: float64[n, k], the intercept's column of ones first if there is one.
        names: Of the columns, [k].
    """

    matrix: np.ndarray
    names: tuple[str, ...]


def design_of(X: Any, *, intercept: bool = True, names: Sequence[str] | None = None) -> Design:
    """The matrix of a regression.

    Args:
        X: An array [n, k] or [n], a dict of columns [n], or a table of pandas or polars.
        intercept: Whether a column of ones comes first.
        names: Of the columns, without the intercept; those of the table, or x1, x2, ...

    Returns:
        The matrix; missing values are NaN in it.

    Raises:
        TypeError: If a column does not hold real numbers; it is named.
        ValueError: If columns differ in length, names do not fit, a number is infinite, or
            there is nothing to estimate.

    Example:
        >>> design_of({"age": [30, 40], "dose": [1.5, 2.0]})
        Design(matrix=array([[ 1. , 30. ,  1.5],
               [ 1. , 40. ,  2. ]]), names=('intercept', 'age', 'dose'))
    """
    columns, found = _columns(X)
    names = found if names is None else _checked_names(names, len(columns))
    matrix = _stacked(columns, names)
    infinite = np.argwhere(np.isinf(matrix))
    if len(infinite):
        row, column = infinite[0]
        raise ValueError(f"X: expected finite numbers, got inf in row {row} of {names[column]}")
    if intercept:
        matrix = np.column_stack([np.ones(len(matrix)), matrix])
        names = ("intercept", *names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X: expected a name of its own for each column, got {twice!r} twice")
    if not matrix.size:
        raise ValueError(f"X: expected rows and columns, got shape {matrix.shape}")
    return Design(np.ascontiguousarray(matrix), names)


def _columns(X: Any) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Columns and their names."""
    if is_frame(X) and hasattr(X, "columns"):
        X = {str(name): X[name] for name in X.columns}
    if isinstance(X, Mapping):
        return [_numbers(column, f"column {name!r}") for name, column in X.items()], tuple(X)
    array = _numbers(X, "X")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"X: expected an array [rows, columns], got shape {array.shape}")
    return list(array.T), tuple(f"x{i + 1}" for i in range(array.shape[1]))


def _numbers(values: Any, what: str) -> np.ndarray:
    """Real numbers as float64, what is missing as NaN."""
    if hasattr(values, "isna"):  # a column of pandas, whose missing values may be of any type
        gone = np.asarray(values.isna())
        kinds = getattr(values.dtype, "kind", "O")
        if gone.any() and kinds in "biuf":
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"X: expected real numbers, got {describe(array)} in {what}; encode categories as "
            "columns of 0 and 1, one fewer than there are categories"
        )
    return array.astype(np.float64)


def _checked_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    if isinstance(names, str) or len(names) != count:
        raise ValueError(f"names: expected one for each of the {count} columns of X, got {names!r}")
    return tuple(str(name) for name in names)


def _stacked(columns: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    lengths = {name: column.shape for name, column in zip(names, columns, strict=True)}
    if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        raise ValueError(f"X: expected columns [rows] of one length, got {lengths}")
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def column_of(values: Any, what: str, rows: int) -> np.ndarray:
    """Numbers [rows] as float64: a response, weights or an offset.

    Raises:
        TypeError: If they are not real numbers.
        ValueError: If there is not one a row, or one is infinite.

    Example:
        >>> column_of([1, 2], "weights", 2)
        array([1., 2.])
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected real numbers, got {describe(values)}")
    if array.shape == (rows, 1):
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(f"{what}: expected one number a row, [{rows}], got shape {array.shape}")
    array = array.astype(np.float64)
    if np.isinf(array).any():
        row = int(np.argmax(np.isinf(array)))
        raise ValueError(f"{what}: expected finite numbers, got {array[row]} in row {row}")
    return array


def present_rows(
    tables: Mapping[str, np.ndarray], missing: Missing, names: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows hold no NaN, and a note about those that do.

    Args:
        tables: Arrays [n] or [n, k] by what errors call them; the columns of X have `names`.
        missing: "raise" refuses NaN, "drop" leaves such rows out.
        names: Of the columns of X.

    Returns:
        A mask bool[n], and a note if rows are left out.

    Raises:
        ValueError: If `missing` is neither, a number is missing and shall not be, or no row is
            left.

    Example:
        >>> present_rows({"y": np.array([1.0, np.nan])}, "drop")
        (array([ True, False]), ('1 of 2 rows dropped for missing values (in y)',))
    """
    if missing not in ("raise", "drop"):
        raise ValueError(f'missing: expected "raise" or "drop", got {missing!r}')
    gaps = {name: np.isnan(table).reshape(len(table), -1) for name, table in tables.items()}
    gone = np.any([gap.any(axis=1) for gap in gaps.values()], axis=0)
    if not gone.any():
        return ~gone, ()
    where = ", ".join(_gappy(gaps, names))
    if missing == "raise":
        raise ValueError(
            f"expected numbers without gaps, got NaN in {gone.sum()} of {len(gone)} rows, the "
            f"first of them row {int(np.argmax(gone))} (in {where}); missing='drop' leaves such "
            "rows out"
        )
    if gone.all():
        raise ValueError(f"expected rows without NaN, got none of {len(gone)} (NaN in {where})")
    return ~gone, (f"{gone.sum()} of {len(gone)} rows dropped for missing values (in {where})",)


def _gappy(gaps: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    """What has gaps: the columns of X by their names."""
    found: list[str] = []
    for what, gap in gaps.items():
        if what == "X" and names:
            found.extend(names[int(i)] for i in np.flatnonzero(gap.any(axis=0)))
        elif gap.any():
            found.append(what)
    return found
