"""Rows with a missing value: refused by their number, or dropped and counted."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import numpy as np

from paramjax._checks import leaf_name
from paramjax._types import PyTree
from paramjax.estimate.inputs._plain_data import plain_data

Missing = Literal["raise", "drop"]


class Complete(NamedTuple):
    """Data without missing values.

    Attributes:
        data: numpy arrays, float64 where they are real.
        kept: Rows of the data as it came that are still there, bool[rows]; None for all.
        note: How many rows were dropped, or "".
    """

    data: PyTree
    kept: np.ndarray | None = None
    note: str = ""


def complete_data(data: PyTree, missing: Missing) -> Complete:
    """Data as numpy arrays, without rows that hold NaN; a table is a dict of its columns.

    Raises:
        TypeError: If a leaf is no array of numbers.
        ValueError: If a number is missing and `missing` does not say to drop its row, or a leaf
            without rows has one.
    """
    if missing not in ("raise", "drop"):
        raise ValueError(f'missing: expected "raise" or "drop", got {missing!r}')
    whole = plain_data(data)
    leaves, treedef = jax.tree_util.tree_flatten_with_path(whole)
    arrays = [array for _, array in leaves]
    gaps = {
        leaf_name(path): np.isnan(array)
        for (path, _), array in zip(leaves, arrays, strict=True)
        if array.dtype.kind == "f" and np.isnan(array).any()
    }
    if not gaps:
        return Complete(whole)
    if missing == "raise":
        raise ValueError(_complaint(gaps))
    lengths = {array.shape[0] for array in arrays if array.ndim}
    if len(lengths) != 1:
        raise ValueError(
            f'missing="drop": expected arrays of data with the same number of rows, got {lengths}'
        )
    (rows,) = lengths
    kept = np.ones(rows, bool)
    for gap in gaps.values():
        kept &= ~gap.reshape(rows, -1).any(axis=1)
    part = [array[kept] if array.ndim else array for array in arrays]
    dropped = int((~kept).sum())
    note = f"{dropped} of {rows} rows dropped, in which {', '.join(gaps)} is missing"
    return Complete(jax.tree.unflatten(treedef, part), kept, note)


def _complaint(gaps: dict[str, np.ndarray]) -> str:
    name, gap = next(iter(gaps.items()))
    if gap.ndim == 0:
        return f"data: {name} is nan; give it a value"
    rows = np.flatnonzero(gap.reshape(len(gap), -1).any(axis=1))
    return (
        f"data: {len(rows)} rows of {name} are missing (nan), the first is row {rows[0]}; drop "
        'them by missing="drop"'
    )
