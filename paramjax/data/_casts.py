"""Casts to fewer bits that would change numbers are refused: their range and their resolution."""

from __future__ import annotations

from typing import Any

import numpy as np

_SAMPLE = 2**20
"""Numbers, at most, from which a spread is estimated; from 64 to 4,096 rows."""

_FINE = 1e-4
"""Steps of at most this share of the standard deviation are fine, unless values are whole."""

_COARSE = 1e-2
"""Steps beyond this share of the standard deviation are refused."""

_LOST = 0.01
"""Share of the distinct values that may become equal."""


def check_cast(what: str, array: np.ndarray, dtype: Any) -> None:
    """Raise if a cast would wrap, overflow or make distinct values equal; NaN and infinities pass.

    Ordinary numbers, which float32 holds to 7 digits, pass. Refused are columns whose values lie
    so far from 0 that few of those digits tell them apart, such as seconds since 1970.
    """
    check_range(what, array, dtype)
    check_resolution(what, array, dtype)


def check_range(what: str, array: np.ndarray, dtype: Any) -> None:
    """Raise if a cast would wrap or overflow."""
    dtype = np.dtype(dtype)
    if np.can_cast(array.dtype, dtype):
        return
    if np.issubdtype(dtype, np.integer):
        _check_range_of_integers(what, array, np.iinfo(dtype))
    else:
        magnitude = np.abs(array.astype(np.promote_types(array.dtype, np.float64), copy=False))
        if (np.isfinite(magnitude) & (magnitude > np.finfo(dtype).max)).any():
            raise ValueError(f"{what} holds values beyond the range of {dtype}; rescale it")


def check_resolution(what: str, array: np.ndarray, dtype: Any) -> None:
    """Raise if a column's values lie closer together than the numbers of a dtype there."""
    dtype = np.dtype(dtype)
    if np.can_cast(array.dtype, dtype) or np.issubdtype(dtype, np.integer) or array.ndim == 0:
        return
    if np.issubdtype(array.dtype, np.complexfloating):
        check_resolution(f"the real part of {what}", array.real, np.finfo(dtype).dtype)
        check_resolution(f"the imaginary part of {what}", array.imag, np.finfo(dtype).dtype)
        return
    columns = array.reshape(len(array), -1)
    step, deviation, whole = _spacing(_sample(columns), dtype)
    for index in np.flatnonzero((step > _FINE * deviation) & (deviation > 0) | whole):
        column = columns[:, index]
        before, after = np.unique(column).size, np.unique(column.astype(dtype)).size
        if step[index] > _COARSE * deviation[index] > 0 or after < (1 - _LOST) * before:
            place = np.unravel_index(index, array.shape[1:])
            where = f", column {', '.join(map(str, place))}," if place else ""
            raise ValueError(
                f"{what}{where} loses its resolution in {dtype}: {before} distinct values become "
                f"{after}, in steps of {step[index]:.3g}; subtract an offset or standardise it in "
                f"float64 before the cast, as pj.data.standardise(pj.data.split(...)) does, or "
                f"pass it as {dtype} if those steps are fine enough"
            )


def _check_range_of_integers(what: str, array: np.ndarray, limits: np.iinfo) -> None:
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        raise ValueError(
            f"{what} holds integers from {low} to {high}, which do not fit in {limits.bits} bits "
            f"({limits.dtype}) and would wrap; subtract an offset, number them from 0 by "
            "np.unique(x, return_inverse=True), or set jax_enable_x64"
        )


def _sample(columns: np.ndarray) -> np.ndarray:
    """Random rows, in the data's own precision: those at equal distances may be at equal phases."""
    size = min(4096, max(64, _SAMPLE // columns.shape[1]))
    if size < len(columns):
        columns = columns[np.random.default_rng(0).integers(len(columns), size=size)]
    return columns.astype(np.promote_types(columns.dtype, np.float64), copy=False)


def _spacing(sample: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each column: the step of a dtype at its mean magnitude, its standard deviation, and
    whether it holds whole numbers that the dtype does not all have. Zeros, which often mark
    what is missing, do not count."""
    present = np.isfinite(sample) & (sample != 0)
    count = np.maximum(present.sum(0), 1)
    known = np.where(present, sample, 0)
    magnitude, mean = np.abs(known).sum(0) / count, known.sum(0) / count
    deviation = np.sqrt((np.where(present, known - mean, 0) ** 2).sum(0) / count)
    # a constant column varies by rounding, and so do columns that were computed to be constant
    deviation = np.where(deviation > 1e-12 * magnitude, deviation, 0)
    step = np.spacing(np.minimum(magnitude, np.finfo(dtype).max).astype(dtype))
    beyond = np.abs(known).max(0) >= 2.0 ** (np.finfo(dtype).nmant + 1)
    return step, deviation, beyond & (known == np.floor(known)).all(0) & (deviation > 0)
