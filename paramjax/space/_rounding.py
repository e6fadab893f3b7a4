"""Hyperparameters as the programs see them."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Scalars of numpy as those of Python, everything else as it is.

    Args:
        value: The value of a hyperparameter.

    Example:
        >>> type(plain(np.int64(3))).__name__
        'int'
    """
    return value.item() if isinstance(value, np.generic) else value


def rounded(value: Any) -> Any:
    """Floats as float32 sees them, everything else as it is.

    Args:
        value: The value of a hyperparameter.

    Returns:
        A float that float32 represents, or the value.

    Example:
        >>> rounded(0.1) == 0.1, rounded(0.5) == 0.5, rounded(7)
        (False, True, 7)
    """
    if not isinstance(value, float):
        return value
    with np.errstate(over="ignore"):  # what is too large is refused where it is written
        return float(np.float32(value))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same hyperparameter, whichever of them was rounded.

    Args:
        one: A value.
        other: A value; a boolean is never the same as a number.

    Example:
        >>> same(0.1, rounded(0.1)), same(1, True)
        (True, False)
    """
    return isinstance(one, bool) is isinstance(other, bool) and rounded(one) == rounded(other)
