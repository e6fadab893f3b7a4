"""At which steps a run is evaluated, and the segments between."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


def evaluation_steps(steps: int, evaluations: int) -> list[int]:
    """After how many steps each evaluation happens: evenly spaced, the last at the end.

    Args:
        steps: Steps of a run.
        evaluations: Number of evaluations wanted; never more than there are steps.

    Returns:
        Increasing step counts.

    Example:
        >>> evaluation_steps(500, 4), evaluation_steps(7, 3)
        ([125, 250, 375, 500], [1, 4, 7])
    """
    every = -(-steps // min(evaluations, steps))
    return list(range(steps, 0, -every))[::-1]


def segments(ends: Iterable[int], first: int = 0) -> list[tuple[int, int]]:
    """The segments of steps between the points, each `(first, end)`."""
    return list(itertools.pairwise([first, *sorted({end for end in ends if end > first})]))


def longest(ends: Iterable[int]) -> int:
    """Steps of the longest segment."""
    return max(end - first for first, end in segments(ends))
