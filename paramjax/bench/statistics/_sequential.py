"""Sequential mode: looks at a growing number of replicates, and the level that each may use."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from scipy import special

from paramjax.bench.statistics._evidence import LEVEL
from paramjax.bench.statistics._interval import Array

CELLS = 301
"""Points of the grid on which densities are carried from look to look."""

MOST_LEVEL = 1 - 1e-9
"""Early looks of a long plan would round to a level of one."""

LAST_GAP = 0.85
"""A look beyond this share of the maximum is left out: the last one follows at once."""


def looks_until(maximum: int, first: int = 6) -> list[int]:
    """Numbers of replicates at which a comparison is looked at, fixed in advance.

    They grow by a third and by a half in turn, so that they double every second time.

    Args:
        maximum: The last look.
        first: The first look.

    Returns:
        The looks, ascending.

    Raises:
        ValueError: If not `2 <= first <= maximum`.

    Example:
        >>> looks_until(48)
        [6, 8, 12, 16, 24, 32, 48]
        >>> looks_until(6)
        [6]
    """
    if not 2 <= first <= maximum:
        raise ValueError(
            f"looks_until: expected 2 <= first <= maximum, got first {first} and maximum "
            f"{maximum}; raise --max-replicates"
        )
    steps = (round(first * 2**k * part) for k in itertools.count() for part in (1, 4 / 3))
    early = list(itertools.takewhile(lambda look: look <= LAST_GAP * maximum, steps))
    return [*early, maximum]


def boundaries(looks: Sequence[int], level: float = LEVEL) -> list[float]:
    r"""The level that `decide` uses at each look, so that all looks err `1 - level`.

    O'Brien and Fleming's bounds: a standard normal statistic $z_j$ decides at
    $|z_j| \ge C\sqrt{K_J/K_j}$, with C such that a Brownian motion crosses any of them with
    chance `1 - level`. Student's p-values are held against the levels of these bounds.

    Like Pocock's bounds (one level for all looks) they hold for differences without skew,
    and with skew they err least. Simulated false verdicts in per cent, of these bounds and
    of Pocock's, with looks until 48 replicates and 5,000 repetitions a number: normal 5.2
    and 5.7; Student's t with three degrees of freedom 5.3 and 5.1; rounded to one standard
    deviation 4.4 and 5.2; two basins on each side 4.6 and 4.2; 5 % lost runs 3.6 and 3.9;
    skewed: exponential 8.8 and 14.6, two basins on one side 8.3 and 14.0, lognormal 15.5
    and 25.8 (`experiments/verdicts/simulate.py`).

    Args:
        looks: Replicates at each look, ascending; fix them before the first one.
        level: Confidence level of all looks together, in (0.5, 1).

    Returns:
        The level of each look.

    Raises:
        ValueError: If the looks do not ascend from 2 or more, or level is out of range.

    Source: O'Brien and Fleming (1979); the recursion: Armitage, McPherson and Rowe (1969);
    Student's p-values at normal levels: Jennison and Turnbull (2000), section 4.4.

    Example:
        >>> [round(level, 3) for level in boundaries([6, 12, 24])]
        [1.0, 0.995, 0.952]
    """
    counts = tuple(int(look) for look in looks)
    if not counts or counts[0] < 2 or any(b <= a for a, b in itertools.pairwise(counts)):
        raise ValueError(
            f"boundaries: expected ascending looks of 2 or more replicates, got {list(looks)}; "
            "looks_until(maximum) gives some"
        )
    if not 0.5 < level < 1:
        raise ValueError(f"boundaries: expected level in (0.5, 1), got {level}; 0.95 is usual")
    return list(_levels(counts, level))


@functools.lru_cache
def _levels(looks: tuple[int, ...], level: float) -> tuple[float, ...]:
    """Halve the range of C until the chance of crossing is `1 - level`."""
    if len(looks) == 1:
        return (level,)
    times = np.array(looks) / looks[-1]
    low, high = float(special.ndtri((1 + level) / 2)), 8.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _crossing(times, middle) > 1 - level else (low, middle)
    levels = 2 * special.ndtr(high / np.sqrt(times)) - 1
    return tuple(np.minimum(levels, MOST_LEVEL).tolist())


def _crossing(times: Array, bound: float) -> float:
    """Chance that a Brownian motion is beyond the bound, on either side, at any of the times.

    O'Brien and Fleming's bounds are one constant for the motion itself. The density of the
    paths that have not crossed is carried from time to time on a grid.
    """
    grid = np.linspace(-bound, bound, CELLS)
    density = _normal(grid, times[0])
    for step in np.diff(times):
        density = np.trapezoid(_normal(grid[:, None] - grid, step) * density, grid, axis=1)
    return float(1 - np.trapezoid(density, grid))


def _normal(x: Array, variance: float) -> Array:
    density: Array = np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density
