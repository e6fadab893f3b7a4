"""Responses of regressions as numbers, and those outside of their range refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import describe
from paramjax.estimate.regression._design import column_of

_SHOWN = 5
_MOST = 100
"""Classes that fractions may be."""


class Binary(NamedTuple):
    """A response of two classes, or counts of them.

    Attributes:
        values: Shares of successes [n], or successes and failures [n, 2]; NaN where missing.
        classes: Failure and success.
        notes: Which class is the success, where it is not plain.
    """

    values: np.ndarray
    classes: tuple[Any, Any]
    notes: tuple[str, ...]

    def of_rows(self, rows: int) -> np.ndarray:
        """The values, if there is one for each row."""
        return _of_length(self.values, rows)

    def check_both(self, successes: float, trials: float) -> None:
        """Raise unless both classes occur."""
        if 0 < successes < trials:
            return
        only = self.classes[int(successes > 0)]
        raise ValueError(
            f"y: expected both classes, {self.classes[0]!r} and {self.classes[1]!r}, got only "
            f"{only!r} in the rows that count: no coefficient can be estimated"
        )


def _of_length(values: np.ndarray, rows: int) -> np.ndarray:
    if len(values) != rows:
        raise ValueError(f"y: expected one response a row, {rows}, got {len(values)}")
    return values


def binary_response(y: Any) -> Binary:
    """Read a response of two classes.

    Raises:
        ValueError: If there are not two classes, or a number lies outside of its range.

    Example:
        >>> binary_response(["no", "yes", "no"]).notes
        ("success is 'yes', the other class 'no'",)
    """
    array = _plain(y)
    if array.ndim == 2 and array.shape[1] == 2:
        return Binary(_counts(array), ("failure", "success"), ())
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"y: expected classes [n], or successes and failures [n, 2], got shape {np.shape(y)}"
        )
    if array.dtype.kind in "biuf":
        numbers = array.astype(np.float64)
        there = numbers[~np.isnan(numbers)]
        if ((there >= 0) & (there <= 1)).all():
            return Binary(numbers, (0, 1), ())
    classes, codes = classes_of(array)
    if len(classes) != 2:
        raise ValueError(_not_two(classes, array.dtype))
    note = f"success is {classes[1]!r}, the other class {classes[0]!r}"
    return Binary(codes, (classes[0], classes[1]), (note,))


def _not_two(classes: list[Any], dtype: np.dtype) -> str:
    shown = ", ".join(map(repr, classes[:_SHOWN])) + (", ..." if len(classes) > _SHOWN else "")
    hint = "; for more than two classes use multinomial" if len(classes) > 2 else ""
    if dtype.kind == "f":
        hint = ", or shares from 0 to 1" + hint
    return f"y: expected two classes{hint}; got {len(classes)}: {shown}"


def _plain(y: Any) -> np.ndarray:
    """An array; booleans, numbers, or objects."""
    array = np.asarray(y)
    text = array.dtype.kind in "US" and hasattr(y, "dtype")  # a list may mix text and numbers
    if array.dtype.kind in "biuf" or text or array.ndim == 0:
        return array
    found = np.asarray(y, dtype=object)
    there = [entry for entry in found.flat if not _is_missing(entry)]
    if all(isinstance(entry, (bool, int, float, np.number, np.bool_)) for entry in there):
        gaps = np.array([_is_missing(entry) for entry in found.flat]).reshape(found.shape)
        return np.where(gaps, np.nan, found).astype(np.float64)
    return found


def _is_missing(entry: Any) -> bool:
    return entry is None or type(entry).__name__ in ("NAType", "NaTType") or entry != entry


def classes_of(array: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Sorted classes, and the number of each row's class, float64[n], NaN where it is missing.

    Raises:
        TypeError: If the classes cannot be sorted.

    Example:
        >>> classes_of(np.array(["b", "a", "b"]))
        (['a', 'b'], array([1., 0., 1.]))
    """
    entries = array.tolist()
    missing = [_is_missing(entry) for entry in entries]
    there = {entry for entry, gone in zip(entries, missing, strict=True) if not gone}
    try:
        classes = sorted(there)
    except TypeError as error:
        kinds = ", ".join(sorted({type(entry).__name__ for entry in there}))
        raise TypeError(f"y: expected classes of one type, got {kinds}") from error
    index = {entry: float(at) for at, entry in enumerate(classes)}
    codes = [np.nan if gone else index[e] for e, gone in zip(entries, missing, strict=True)]
    return classes, np.array(codes)


class Classes(NamedTuple):
    """A response of several classes.

    Attributes:
        codes: Of the classes, float64[n]; NaN where missing.
        names: Of the classes, sorted.
    """

    codes: np.ndarray
    names: list[Any]

    def of_rows(self, rows: int) -> np.ndarray:
        """The codes, if there is one for each row."""
        return _of_length(self.codes, rows)

    def check(self, codes: np.ndarray, counts: np.ndarray) -> None:
        """Raise unless every class occurs in the rows that count."""
        found = np.bincount(codes.astype(int), counts, len(self.names))
        if (found == 0).any():
            gone = [repr(name) for name, count in zip(self.names, found, strict=True) if not count]
            raise ValueError(
                f"y: expected every class in the rows that count, got none of {', '.join(gone)}; "
                "leave those rows out of X and y"
            )


def class_response(y: Any) -> Classes:
    """Read a response of classes.

    Raises:
        ValueError: If there are fewer than two, or they are not [n].

    Example:
        >>> class_response(["b", "a", "c"]).names
        ['a', 'b', 'c']
    """
    array = _plain(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"y: expected one class a row, [n], got shape {np.shape(y)}")
    names, codes = classes_of(array)
    if len(names) < 2:
        raise ValueError(f"y: expected at least two classes, got {len(names)}: {names}")
    if len(names) > _MOST and array.dtype.kind == "f":
        raise ValueError(
            f"y: expected classes, got {len(names)} different numbers; for a number use linear"
        )
    return Classes(codes, names)


def _counts(array: np.ndarray) -> np.ndarray:
    """Successes and failures [n, 2] as numbers from 0."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"y: expected counts [n, 2], got {describe(array)}")
    counts = array.astype(np.float64)
    wrong = (counts < 0).any(axis=1) | np.isinf(counts).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"y: expected successes and failures from 0, got {counts[row].tolist()} in row {row}"
        )
    return counts


def numbers_from(y: Any, *, above: bool, whole: bool, hint: str) -> Callable[[int], np.ndarray]:
    """Read a response of numbers from 0, or above 0.

    Args:
        y: The response.
        above: Whether 0 is refused.
        whole: Whether fractions are refused.
        hint: What else might fit, for the message.

    Returns:
        The response of so many rows, which raises what is wrong with it, by its row.
    """

    def of_rows(rows: int) -> np.ndarray:
        values = column_of(y, "y", rows)
        wrong = values <= 0 if above else values < 0
        if whole:
            wrong = wrong | (values % 1 != 0) & ~np.isnan(values)
        if wrong.any():
            row = int(np.argmax(wrong))
            kind = "whole numbers" if whole else "numbers"
            raise ValueError(
                f"y: expected {kind} {'above' if above else 'from'} 0, got {values[row]:g} in "
                f"row {row}{hint}"
            )
        return values

    return of_rows
