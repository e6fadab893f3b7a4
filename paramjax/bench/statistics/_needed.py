"""How many replicates would probably decide a comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from paramjax.bench.statistics._interval import variance_factor

POWER = 0.8
MOST_REPLICATES = 1000
FEWEST_REPLICATES = 6
"""Below it the exact tests cannot reach 5 %, so that nothing is better or worse."""


def replicates_needed(
    difference: float, spread: float, *, margin: float, variance_ratio: float, level: float
) -> int | None:
    """Replicates after which a verdict has a chance of 80 %, if the estimates were the truth.

    Better or worse by the noncentral t distribution; equivalent by the same for both
    one-sided tests, whose misses are added up.

    Args:
        difference: Mean of the paired differences.
        spread: Their standard deviation.
        margin: Differences up to it do not matter.
        variance_ratio: Test rows by learned rows if each replicate has its own split, else 0.
        level: Confidence level of the verdict.

    Returns:
        The number, or None if none up to 1,000 would do.

    Source: Cohen (1988), chapter 2; Chow, Shao and Wang (2003) for equivalence.

    Example:
        >>> replicates_needed(1.0, 1.0, margin=0.0, variance_ratio=0.0, level=0.95)
        10
        >>> replicates_needed(0.1, 1.0, margin=0.0, variance_ratio=0.25, level=0.95)
    """
    if not np.isfinite(spread):
        return None
    distance = abs(difference) - margin
    if spread == 0:
        return FEWEST_REPLICATES if distance > 0 else 2 if distance < 0 else None

    def power(count: int) -> float:
        error = spread * float(np.sqrt(variance_factor(count, variance_ratio)))
        if distance > 0:
            return _exceeds(distance / error, count - 1, (1 + level) / 2)
        near, far = -distance / error, (margin + abs(difference)) / error
        return _exceeds(near, count - 1, level) + _exceeds(far, count - 1, level) - 1

    return _first(power, FEWEST_REPLICATES if distance > 0 else 2)


def pairs_needed(wins: int, pairs: int, *, level: float) -> int | None:
    """Pairs after which the sign test has a chance of 80 % at the observed share of wins."""
    share = max(wins / pairs, 0.5) if pairs else 0.5

    def power(count: int) -> float:
        counts = np.arange(count + 1)
        allowed = np.flatnonzero(2 * special.bdtr(counts, count, 0.5) <= 1 - level)
        return float(special.bdtr(allowed[-1], count, 1 - share)) if allowed.size else 0.0

    return _first(power, FEWEST_REPLICATES)


def _exceeds(noncentrality: float, freedom: int, quantile: float) -> float:
    """P(T > t quantile) for a noncentral T; a noncentrality of 30 or more is certain."""
    if noncentrality > 30:
        return 1.0
    return float(1 - special.nctdtr(freedom, noncentrality, special.stdtrit(freedom, quantile)))


def _first(power: Callable[[int], float], low: int) -> int | None:
    """The smallest number from `low` on that has the power, by halving."""
    if power(low) >= POWER:
        return low
    high = MOST_REPLICATES
    if power(high) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high
