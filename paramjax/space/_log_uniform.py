"""Positive numbers whose logarithm is drawn evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paramjax.space._ends import check_ends


@dataclass(frozen=True)
class LogUniform:
    """A positive number whose logarithm is drawn evenly."""

    low: float
    high: float
    static = False
    logarithmic = True

    def __str__(self) -> str:
        """As it is written."""
        return f"log_uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1]."""
        return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))


def log_uniform(low: float, high: float) -> LogUniform:
    """A positive number whose logarithm is drawn evenly: for scales, such as a learning rate.

    Args:
        low: Lower end, finite and positive.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If an end is no number; booleans are none.
        ValueError: If an end is not finite in float32, `low <= 0` or `low >= high`.

    Example:
        >>> round(log_uniform(1e-4, 1.0).quantile(0.5), 6)
        0.01
    """
    ends = check_ends("log_uniform", low, high)
    if low <= 0:
        raise ValueError(
            f"log_uniform: expected 0 < low, got low={low}; a logarithm has no value there, "
            "so use uniform, or start above zero"
        )
    return LogUniform(*ends)
