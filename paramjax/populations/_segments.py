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
    """The segments of steps between the points, each `(first, end)`.

    Args:
        ends: Numbers of steps, in any order, some of them maybe twice.
        first: Steps done before.

    Example:
        >>> segments([7, 4, 1, 4]), segments([7, 4, 1], first=4)
        ([(0, 1), (1, 4), (4, 7)], [(4, 7)])
    """
    return list(itertools.pairwise([first, *sorted({end for end in ends if end > first})]))


def longest(ends: Iterable[int]) -> int:
    """Steps of the longest segment.

    Args:
        ends: Numbers of steps.

    Example:
        >>> longest([1, 4, 7])
        3
    """
    return max(end - first for first, end in segments(ends))
