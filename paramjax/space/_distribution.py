"""What a search space is made of, and how programs see its values."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np


@runtime_checkable
class Distribution(Protocol):
    """The values that one hyperparameter may take.

    Attributes:
        static: Whether a value is structure (each value needs its own program) rather than a
            number that one program traces.
        logarithmic: Whether plots of it belong on a logarithmic axis.
    """

    @property
    def static(self) -> bool:
        """Whether a value is structure."""
        ...

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        ...

    def quantile(self, u: float) -> Any:
        """The value at probability `u` in [0, 1]."""
        ...


Space = dict[str, Distribution]
"""Hyperparameter name -> its distribution."""


def plain(value: Any) -> Any:
    """A scalar of numpy or JAX as one of Python, everything else as it is.

    Example:
        >>> plain(np.array(2)), plain(jax.numpy.float32(0.5)), plain("a")
        (2, 0.5, 'a')
    """
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray | jax.Array) or isinstance(value, jax.core.Tracer):
        return value
    number = jax.numpy.issubdtype(value.dtype, np.number) or value.dtype == np.bool_
    return np.asarray(value).item() if number and value.ndim == 0 else value


def rounded(value: Any) -> Any:
    """A float as float32 holds it, everything else as it is.

    Example:
        >>> rounded(0.1) == 0.1, rounded(0.5) == 0.5, rounded(7)
        (False, True, 7)
    """
    if not isinstance(value, float):
        return value
    with np.errstate(over="ignore"):  # each distribution refuses what is too large for float32
        return float(np.float32(value))


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; a boolean never equals a number, and objects are themselves.

    Example:
        >>> equal((3, 3), (3, 3)), equal(1, True), equal(np.ones(2), np.ones(2)), equal(min, max)
        (True, False, True, False)
    """
    if one is other:
        return True
    one, other = plain(one), plain(other)
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    try:
        return bool(one == other)
    except Exception:  # arrays compare entry by entry, and some objects not at all
        arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        return arrays and bool(np.array_equal(one, other))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal up to float32; a boolean never equals a number.

    Example:
        >>> same(0.1, rounded(0.1)), same(1, True)
        (True, False)
    """
    return equal(rounded(plain(one)), rounded(plain(other)))
