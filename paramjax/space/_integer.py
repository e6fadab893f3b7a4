"""Whole numbers from a range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paramjax._checks import INT32_MAX, describe


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included.

    Attributes:
        low: Smallest value.
        high: Largest value.
        logarithmic: Whether its logarithm is drawn evenly rather than itself.
        static: Whether a value is structure rather than a traced int32.
    """

    low: int
    high: int
    logarithmic: bool = False
    static: bool = False

    def __str__(self) -> str:
        flags = ", log=True" * self.logarithmic + ", static=True" * self.static
        return f"integer({self.low}, {self.high}{flags})"

    def quantile(self, u: float) -> int:
        """The value at probability `u` in [0, 1]: the floor of a draw from [low, high + 1)."""
        if self.logarithmic:
            start, end = math.log(self.low), math.log(self.high + 1)
            value = math.floor(math.exp(start + u * (end - start)))
        else:
            value = self.low + math.floor(u * (self.high + 1 - self.low))
        return min(max(value, self.low), self.high)


def integer(low: int, high: int, *, log: bool = False, static: bool = False) -> Integer:
    """A whole number, both ends included: evenly, or its logarithm evenly.

    With `log` a value k has the probability log((k + 1) / k) / log((high + 1) / low), the
    share of the logarithmic range that rounds down to it.

    Args:
        low: Smallest value, at least -2**31; at least 1 with `log`.
        high: Largest value, from `low` to 2**31 - 1.
        log: Whether to draw its logarithm evenly: for scales, such as a batch size.
        static: Whether a value is structure (needs its own program), such as a depth. By
            default it is a traced int32.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If an end is not a whole number; booleans are not numbers.
        ValueError: If `low > high`, an end is beyond int32, or `low < 1` with `log`.

    Example:
        >>> depths, widths = integer(1, 4, static=True), integer(1, 63, log=True)
        >>> [depths.quantile(u) for u in (0.0, 0.3, 0.6, 0.9)]
        [1, 2, 3, 4]
        >>> [widths.quantile(u) for u in (0.1, 0.3, 0.6, 0.9)]
        [1, 3, 12, 42]
    """
    for end, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"integer: expected a whole number for {end}, got {describe(value)}")
    low, high = int(low), int(high)
    if low > high:
        raise ValueError(f"integer: expected low <= high, got low={low}, high={high}")
    if low < -INT32_MAX - 1 or high > INT32_MAX:
        raise ValueError(
            f"integer: expected ends from -2**31 to 2**31 - 1, got low={low}, high={high}; "
            "draw a larger number with uniform or log_uniform"
        )
    if log and low < 1:
        raise ValueError(
            f"integer: expected low >= 1 with log=True, got low={low}; a logarithm has no value "
            "there, so start at 1, or drop log=True"
        )
    return Integer(low, high, bool(log), bool(static))
