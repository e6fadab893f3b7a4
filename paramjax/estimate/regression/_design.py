"""The matrix of a regression, from an array or a table of columns, and what is wrong with it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from paramjax._checks import describe
from paramjax.data._frames import is_frame
from paramjax.estimate._linear_algebra import resolution_of
from paramjax.estimate._parameters import Parameters

Missing = Literal["raise", "drop"]

_ADVICE = {
    "O": "encode categories as columns of 0 and 1, one fewer than there are categories: "
    "pandas.get_dummies(table, drop_first=True, dtype=float)",
    "M": "give the days since a date: (dates - dates.min()) / numpy.timedelta64(1, 'D')",
    "m": "divide by a unit: times / numpy.timedelta64(1, 'D')",
    "c": "give real and imaginary parts as columns of their own",
}
_LARGEST = 1e153
"""Size of numbers whose squares fit into 64 bits, as do those of their inverses."""
_SHOWN = 6
"""Rows, columns and categories that a message shows."""


class Design(NamedTuple):
    """A matrix with the names of its columns.

    Attributes:
        matrix: float64[n, k], the intercept's column of ones first if there is one.
        names: Of the columns, [k].
        resolution: Relative size of what rounding leaves of a column that others explain; larger
            for numbers that came in 32 bits.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    resolution: float


def design_of(X: Any, *, intercept: bool = True, names: Sequence[str] | None = None) -> Design:
    """The matrix of a regression.

    Args:
        X: An array [n, k] or [n], a dict of columns [n], or a table of pandas or polars; of no
            columns, such as [n, 0], for the intercept alone.
        intercept: Whether a column of ones comes first.
        names: Of the columns, without the intercept; those of the table, or x1, x2, ...

    Returns:
        The matrix; missing values are NaN in it.

    Raises:
        TypeError: If a column does not hold real numbers; it is named.
        ValueError: If columns differ in length, names do not fit, a number is infinite, or
            there is nothing to estimate.

    Example:
        >>> design = design_of({"age": [30, 40], "dose": [1.5, 2.0]})
        >>> design.names, design.matrix.tolist()
        (('intercept', 'age', 'dose'), [[1.0, 30.0, 1.5], [1.0, 40.0, 2.0]])
    """
    columns, found, rows = _columns(X)
    dtypes = [column.dtype for column in columns if column.dtype.kind == "f"]
    coarsest = max(dtypes, key=lambda dtype: float(np.finfo(dtype).eps), default=np.float64)
    names = found if names is None else _checked_names(names, len(columns))
    matrix = _stacked(columns, names, rows, intercept)
    names = ("intercept", *names) if intercept else names
    if not matrix.size:
        raise ValueError(
            f"X: expected rows and columns, got {len(matrix)} rows of {matrix.shape[1]} columns"
        )
    if np.isinf(matrix).any():
        row, column = np.argwhere(np.isinf(matrix))[0]
        raise ValueError(f"X: expected finite numbers, got inf in row {row} of {names[column]}")
    for name, column in zip(names, matrix.T, strict=True):
        check_size(column, f"column {name!r}")
    twice, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise ValueError(f"X: expected a name of its own for each column, got {twice!r} twice")
    resolution = resolution_of(coarsest, max(matrix.shape))
    return Design(matrix, names, resolution)


def coefficients_of(names: Sequence[str], start: np.ndarray | None = None) -> Parameters:
    """One coefficient a column, a mapping from names that keeps the order of the columns.

    Example:
        >>> coefficients_of(["z", "a"]).tree(np.array([1.0, 2.0]))["z"]
        1.0
    """
    start = np.zeros(len(names)) if start is None else start
    treedef = jax.tree.structure(OrderedDict(zip(names, start, strict=True)))
    return Parameters(tuple(names), start, ((),) * len(names), treedef)


def _columns(X: Any) -> tuple[list[np.ndarray], tuple[str, ...], int]:
    """Columns, their names, and how many rows there are."""
    if is_frame(X) and len(X.shape) == 1 and getattr(X, "name", None):
        X = {X.name: X}
    if is_frame(X) and hasattr(X, "columns"):
        columns = [
            _numbers(_frame_column(X, at), f"column {n!r}") for at, n in enumerate(X.columns)
        ]
        return columns, tuple(map(str, X.columns)), len(X)
    if isinstance(X, Mapping):
        columns = [_numbers(column, f"column {name!r}") for name, column in X.items()]
        return columns, tuple(map(str, X)), len(columns[0]) if columns else 0
    array = _numbers(X, "X")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"X: expected an array [rows, columns], got shape {array.shape}")
    return list(array.T), tuple(f"x{i + 1}" for i in range(array.shape[1])), len(array)


def _frame_column(frame: Any, at: int) -> Any:
    return frame.iloc[:, at] if hasattr(frame, "iloc") else frame.get_column(frame.columns[at])


def _numbers(values: Any, what: str) -> np.ndarray:
    """Real numbers in the dtype they came in, what is missing as NaN."""
    array = _array(values)
    if array.dtype.kind not in "biuf":
        shown = _listed(sorted(set(map(str, array.ravel()[:10_000]))))
        advice = _ADVICE.get(array.dtype.kind, _ADVICE["O"])
        raise TypeError(
            f"X: expected real numbers, got {array.dtype} such as {shown} in {what}; {advice}"
        )
    return array


def _array(values: Any) -> np.ndarray:
    """An array; of numbers if it holds numbers, booleans and None."""
    if hasattr(values, "isna") and getattr(values, "ndim", 0) == 1:
        dtype: Any = values.dtype
        if not isinstance(dtype, np.dtype) and dtype.kind in "biuf":  # knows missing integers
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    array = np.asarray(values)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    numbers = (int, float, np.number, np.bool_, type(None))
    if array.dtype == object and all(isinstance(entry, numbers) for entry in array.flat):
        return array.astype(np.float64)
    return array


def _listed(entries: Sequence[Any]) -> str:
    shown = ", ".join(map(str, entries[:_SHOWN]))
    return shown + (f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else "")


def _checked_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    if isinstance(names, str) or len(names) != count:
        raise ValueError(f"names: expected one for each of the {count} columns of X, got {names!r}")
    return tuple(str(name) for name in names)


def _stacked(
    columns: Sequence[np.ndarray], names: Sequence[str], rows: int, intercept: bool
) -> np.ndarray:
    """The columns one after the other in memory, after one of ones if there is an intercept."""
    lengths = {name: column.shape for name, column in zip(names, columns, strict=True)}
    if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        raise ValueError(f"X: expected columns [rows] of one length, got {lengths}")
    matrix = np.empty((rows, int(intercept) + len(columns)), order="F")
    matrix[:, :1] = 1.0
    for at, column in enumerate(columns, int(intercept)):
        matrix[:, at] = column
    return matrix


def column_of(values: Any, what: str, rows: int) -> np.ndarray:
    """Numbers [rows] as float64: a response, weights or an offset.

    Raises:
        TypeError: If they are not real numbers.
        ValueError: If there is not one a row, or one is infinite.

    Example:
        >>> column_of([1, 2], "weights", 2)
        array([1., 2.])
    """
    array = _array(values)
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


def check_same_rows(X: Any, y: Any) -> None:
    """Refuse a table and a response of pandas whose rows have different labels.

    Raises:
        ValueError: If the indexes differ.

    Example:
        >>> check_same_rows({"x": [1.0]}, [2.0])
    """
    first: Any = getattr(X, "index", None)
    second: Any = getattr(y, "index", None)
    if hasattr(first, "equals") and hasattr(second, "equals") and not first.equals(second):
        raise ValueError(
            "y: expected the index of X, got other labels or another order; give y.loc[X.index], "
            "or y.to_numpy() if the rows are in order"
        )


def check_size(column: np.ndarray, what: str) -> None:
    """Refuse a column, zeros apart, whose square would overflow or vanish.

    Raises:
        ValueError: If its largest number is beyond 1e153 or below 1e-153.

    Example:
        >>> check_size(np.array([0.0, 3.0, np.nan]), "y")
    """
    largest = max(float(np.fmax.reduce(column)), -float(np.fmin.reduce(column)))
    if largest > _LARGEST or 0 < largest < 1 / _LARGEST:
        raise ValueError(
            f"{what}: expected numbers of sizes from 1e-153 to 1e153, whose squares fit into 64 "
            f"bits, got up to {largest:.2g}; give it in other units"
        )


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
        (array([ True, False]), ('1 of 2 rows dropped for missing values (in y): row 1',))
    """
    if missing not in ("raise", "drop"):
        raise ValueError(f'missing: expected "raise" or "drop", got {missing!r}')
    gaps = {name: np.isnan(table).reshape(len(table), -1) for name, table in tables.items()}
    gone = np.any([gap.any(axis=1) for gap in gaps.values()], axis=0)
    if not gone.any():
        return ~gone, ()
    where = _listed(_gappy(gaps, names))
    rows = f"{'row' if gone.sum() == 1 else 'rows'} {_listed(np.flatnonzero(gone).tolist())}"
    if missing == "raise":
        raise ValueError(
            f"expected numbers without gaps, got NaN in {gone.sum()} of {len(gone)} rows "
            f"(in {where}): {rows}; missing='drop' leaves such rows out"
        )
    if gone.all():
        raise ValueError(f"expected rows without NaN, got none of {len(gone)} (NaN in {where})")
    return ~gone, (
        f"{gone.sum()} of {len(gone)} rows dropped for missing values (in {where}): {rows}",
    )


def _gappy(gaps: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    """What has gaps: the columns of X by their names."""
    found: list[str] = []
    for what, gap in gaps.items():
        if what == "X" and names:
            found.extend(names[int(i)] for i in np.flatnonzero(gap.any(axis=0)))
        elif gap.any():
            found.append(what)
    return found
