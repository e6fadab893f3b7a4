"""Numbers from a range, drawn evenly or by their logarithm."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from paramjax._checks import describe

FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Uniform:
    """A number drawn evenly between `low` and `high`."""

    low: float
    high: float
    static = False
    logarithmic = False

    def __str__(self) -> str:
        return f"uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1]."""
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """A positive number whose logarithm is drawn evenly."""

    low: float
    high: float
    static = False
    logarithmic = True

    def __str__(self) -> str:
        return f"log_uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1]."""
        return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))


def uniform(low: float, high: float) -> Uniform:
    """A number drawn evenly from [low, high].

    Args:
        low: Lower end, finite.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If an end is not a number; booleans are not numbers.
        ValueError: If an end is not finite in float32, or `low >= high`.

    Example:
        >>> uniform(0.8, 1.0).quantile(0.5)
        0.9
    """
    return Uniform(*_checked("uniform", low, high))


def log_uniform(low: float, high: float) -> LogUniform:
    """A positive number whose logarithm is drawn evenly: for scales, such as a learning rate.

    Args:
        low: Lower end, finite and positive.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If an end is not a number; booleans are not numbers.
        ValueError: If an end is not finite in float32, `low` is not above the zero of float32, or
            `low >= high`.

    Example:
        >>> round(log_uniform(1e-4, 1.0).quantile(0.5), 6)
        0.01
    """
    ends = _checked("log_uniform", low, high)
    if low <= 0:
        raise ValueError(
            f"log_uniform: expected 0 < low, got low={low}; a logarithm has no value there, "
            "so use uniform, or start above zero"
        )
    if low < FLOAT32_TINY:
        raise ValueError(
            f"log_uniform: expected low from {FLOAT32_TINY:.3g}, the least normal number of "
            f"float32, got low={low}, which programs see as 0"
        )
    return LogUniform(*ends)


def _checked(kind: str, low: Any, high: Any) -> tuple[float, float]:
    for end, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{kind}: expected a number for {end}, got {describe(value)}")
    if not all(abs(end) <= FLOAT32_MAX for end in (low, high)):
        raise ValueError(f"{kind}: expected finite ends within float32, got low={low}, high={high}")
    if not low < high:
        raise ValueError(f"{kind}: expected low < high, got low={low}, high={high}")
    return float(low), float(high)
