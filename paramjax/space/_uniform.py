"""Numbers drawn evenly."""

from __future__ import annotations

from dataclasses import dataclass

from paramjax.space._ends import check_ends


@dataclass(frozen=True)
class Uniform:
    """A number drawn evenly between `low` and `high`."""

    low: float
    high: float
    static = False
    logarithmic = False

    def __str__(self) -> str:
        """As it is written."""
        return f"uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1]."""
        return self.low + u * (self.high - self.low)


def uniform(low: float, high: float) -> Uniform:
    """A number drawn evenly from [low, high].

    Args:
        low: Lower end, finite.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If an end is no number; booleans are none.
        ValueError: If an end is not finite in float32, or `low >= high`.

    Example:
        >>> uniform(0.8, 1.0).quantile(0.5)
        0.9
    """
    return Uniform(*check_ends("uniform", low, high))
