"""One leaf of data: what is an array of numbers, and a sentence for everything else."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe
from paramjax.data._frames import frame_array, is_frame


def check_leaf(what: str, leaf: Any) -> Any:
    """The leaf, if it is an array [rows, ...] of finite numbers that JAX takes as they are."""
    check_dense(what, leaf)
    if is_frame(leaf):
        raise TypeError(
            f"{what} is a {type(leaf).__name__} of {type(leaf).__module__.split('.')[0]}; make it "
            "arrays by pj.data.table(x, y), or one by .to_numpy()"
        )
    if isinstance(leaf, np.ma.MaskedArray):
        check_unmasked(what, leaf)
        raise TypeError(f"{what} is a masked array, of which nothing is masked; pass x.filled()")
    if not isinstance(leaf, np.ndarray | np.generic | jax.Array):
        raise TypeError(
            f"{what} is {_short(leaf)}, expected an array [rows, ...]; make it one by "
            "np.asarray(...), because in a tree each number of a list is a leaf of its own"
        )
    if leaf.ndim == 0:
        raise TypeError(f"{what} is one number, {describe(leaf)}, expected an array [rows, ...]")
    check_numbers(what, leaf)
    if isinstance(leaf, np.ndarray) and not leaf.dtype.isnative:
        raise TypeError(
            f"{what} has the byte order of another machine, {leaf.dtype.str}; pass "
            f"x.astype(np.{leaf.dtype.newbyteorder('=').name})"
        )
    check_known(what, leaf)
    check_finite(what, leaf)
    return leaf


def as_array(what: str, value: Any) -> np.ndarray:
    """An array of numbers in this machine's byte order, made of lists, tables and arrays."""
    check_dense(what, value)
    if is_frame(value):
        return frame_array(what, value, _check_column)
    check_unmasked(what, value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{what} cannot be made an array: {error}; pad rows of uneven lengths to one length, "
            "with a mask beside them"
        ) from None
    if array.dtype == object and array.ndim == 0:
        raise TypeError(
            f"{what} is {_short(value)}, expected an array, lists of numbers or a table"
        )
    check_numbers(what, array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_sparse(node: Any) -> bool:
    """Whether a value is a sparse matrix, of scipy or JAX."""
    return hasattr(type(node), "todense") and hasattr(node, "shape")


def check_dense(what: str, leaf: Any) -> None:
    """Raise for a sparse matrix."""
    if is_sparse(leaf):
        size = math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize
        method = "toarray" if hasattr(leaf, "toarray") else "todense"
        raise TypeError(
            f"{what} is a sparse matrix of shape {tuple(leaf.shape)}, expected a dense array; "
            f"pass x.{method}(), which takes {size / 2**20:.3g} MiB"
        )


def check_unmasked(what: str, leaf: Any) -> None:
    """Raise for a masked array, or a list of some, of which something is masked."""
    parts = leaf if isinstance(leaf, list | tuple) else [leaf]
    masked = sum(
        np.ma.getmaskarray(part).sum() for part in parts if isinstance(part, np.ma.MaskedArray)
    )
    if masked:
        raise ValueError(
            f"{what} is a masked array with {masked} masked values, whose numbers below the mask "
            "would count as data; drop those rows, or fill them by x.filled(value)"
        )


def check_numbers(what: str, array: Any) -> None:
    """Raise if an array is empty or does not hold numbers."""
    dtype = array.dtype
    kind = getattr(dtype, "kind", "")
    # durations count as integers in numpy
    if kind == "m" or not (jnp.issubdtype(dtype, jnp.number) or dtype == np.bool_):
        advice = _ADVICE.get(kind, "pass its numbers")
        raise TypeError(f"{what} is {describe(array)}, expected an array of numbers; {advice}")
    if 0 in array.shape:
        lack = "no rows" if array.ndim and array.shape[0] == 0 else "rows without any number"
        raise ValueError(f"{what} is empty, shape {tuple(array.shape)}: {lack}")


def check_known(what: str, array: Any) -> None:
    """Raise for numbers that JAX does not have."""
    if array.dtype in (np.dtype(np.longdouble), np.dtype(np.clongdouble)) and (
        array.dtype.itemsize > 8 * (1 + (array.dtype.kind == "c"))
    ):
        plain = "complex128" if array.dtype.kind == "c" else "float64"
        raise TypeError(f"{what} is {describe(array)}, which JAX lacks; pass x.astype(np.{plain})")


def check_finite(what: str, array: Any) -> None:
    """Raise if a value is NaN or infinite."""
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return
    finite = np.isfinite(np.asarray(array))
    if not finite.all():
        row = f", the first in row {int(np.argwhere(~finite)[0][0])}" if array.ndim else ""
        raise ValueError(
            f"{what} holds {int((~finite).sum())} values that are NaN or infinite{row}; "
            "drop or impute them before training"
        )


_ADVICE = {
    "O": "numbers in objects by x.astype(np.float32), rows of uneven lengths padded to one length",
    "U": "number the classes by np.unique(x, return_inverse=True)",
    "T": "number the classes by np.unique(x, return_inverse=True)",
    "S": "number the classes by np.unique(x, return_inverse=True)",
    "M": "pass seconds since the first, (x - x.min()) / np.timedelta64(1, 's')",
    "m": "pass seconds, x / np.timedelta64(1, 's')",
    "V": "pass each field as a leaf, {name: x[name] for name in x.dtype.names}",
}
"""What to do about dtypes that are no numbers, by numpy's letter for their kind."""


def _check_column(what: str, array: np.ndarray) -> None:
    check_numbers(what, array)
    check_finite(what, array)


def _short(leaf: Any) -> str:
    text = describe(leaf)
    return text if len(text) < 80 else f"{text[:77]}..."
