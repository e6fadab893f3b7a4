"""Metrics as named columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

STEP = "step"
VALIDATION = "validation/"

Columns = dict[str, np.ndarray]
"""Name -> numbers [rows]."""


def training_columns(first_step: int, rows: Mapping[str, np.ndarray], every: int) -> Columns:
    """`step` and the metrics of the steps that `every` divides.

    An array is one column for each of its elements, a complex number one for each part. The
    number of the step replaces a metric called `step`.

    Example:
        >>> rows = {"loss": np.array([3.0, 2.0, 1.0]), "norm": np.ones((3, 2))}
        >>> {name: column.tolist() for name, column in training_columns(1, rows, 2).items()}
        {'step': [2], 'loss': [2.0], 'norm[0]': [1.0], 'norm[1]': [1.0]}
    """
    length = len(next(iter(rows.values()), ()))
    kept = slice(-first_step % every, None, every)
    columns: Columns = {}
    for name, array in rows.items():
        columns |= _elements(name, np.asarray(array)[kept])
    columns.pop(STEP, None)
    return {STEP: np.arange(first_step, first_step + length)[kept], **columns}


def validation_columns(metrics: Mapping[str, Any]) -> Columns:
    """`validation/NAME` -> [1], float32 where that holds the value exactly.

    Example:
        >>> validation_columns({"loss": 0.5})
        {'validation/loss': array([0.5], dtype=float32)}
    """
    columns: Columns = {}
    for name, value in metrics.items():
        columns |= _elements(VALIDATION + name, _narrow(np.asarray(value))[None])
    return columns


def texts(column: np.ndarray) -> list[str]:
    """The shortest digits that give each number back in its own precision; true is 1.

    Example:
        >>> texts(np.array([0.1, 1e-9, np.nan], np.float32)), texts(np.array([True]))
        (['0.1', '1e-09', 'nan'], ['1'])
    """
    if column.dtype == bool:
        column = column.astype(np.uint8)
    if column.dtype.kind == "V":  # bfloat16 and the like do not print their own digits
        with np.errstate(invalid="ignore"):
            column = column.astype(np.float32)
    return list(map(str, column))


def _elements(name: str, array: np.ndarray) -> Columns:
    if array.dtype.kind == "c":
        return _elements(f"{name}.real", array.real) | _elements(f"{name}.imag", array.imag)
    return {
        name + "".join(f"[{i}]" for i in index): array[(slice(None), *index)]
        for index in np.ndindex(array.shape[1:])
    }


def _narrow(value: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = value.astype(np.float32) if value.dtype == np.float64 else value
    return narrow if np.array_equal(narrow, value, equal_nan=True) else value
