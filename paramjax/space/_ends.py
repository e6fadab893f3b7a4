"""Which ends a range of numbers may have."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from paramjax._checks import describe

FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_ends(kind: str, low: Any, high: Any) -> tuple[float, float]:
    """Refuse what is no range of finite numbers.

    Args:
        kind: The kind of distribution, for the message.
        low: Lower end, within float32.
        high: Upper end, within float32, above `low`.

    Returns:
        Both ends as floats.

    Raises:
        TypeError: If an end is no number; booleans are none.
        ValueError: If an end is not finite in float32, or `low >= high`.

    Example:
        >>> check_ends("uniform", 0, 1)
        (0.0, 1.0)
    """
    for end, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{kind}: expected a number for {end}, got {describe(value)}")
    if not all(abs(end) <= FLOAT32_MAX for end in (low, high)):
        raise ValueError(f"{kind}: expected finite ends within float32, got low={low}, high={high}")
    if not low < high:
        raise ValueError(f"{kind}: expected low < high, got low={low}, high={high}")
    return float(low), float(high)
