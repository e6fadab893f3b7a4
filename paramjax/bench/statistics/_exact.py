"""Exact tests of paired replicates: sign flips of the differences, signs, and lost runs."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from scipy import special

from paramjax.bench.statistics._interval import ROUNDING, Array

EXACT_UP_TO = 30
"""Replicates up to which every one of the 2**K sign patterns is counted."""

PATTERNS = 20_000
"""Sign patterns drawn beyond that, with one seed, the observed one counted among them."""


def sign_flip_p(values: Any) -> float:
    r"""Two-sided p-value of the sign-flip test of a mean of zero.

    Under the null each difference is as likely to have the other sign:
    $$p = 2^{-K}\,\#\{\epsilon \in \{-1, 1\}^K : |\sum_k \epsilon_k x_k| \ge |\sum_k x_k|\}$$
    All patterns are counted up to `EXACT_UP_TO` values, by sorting the sums of one half and
    looking up those of the other; beyond that 20,000 patterns are drawn with a fixed seed.

    Args:
        values: Finite numbers, [replicates].

    Returns:
        The p-value, from `2 ** (1 - K)` to 1.

    Raises:
        ValueError: If there is no value or one is not finite.

    Source: Fisher (1935), The Design of Experiments, section 21; the halves: Horowitz and
    Sahni (1974); the drawn patterns: Phipson and Smyth (2010).

    Example:
        >>> sign_flip_p([0.4, 0.2, 0.3, 0.1, 0.2, 0.5])
        0.03125
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"sign_flip_p: expected one or more finite numbers, got {x}; drop the NaN")
    bound = abs(x.sum()) - ROUNDING * np.abs(x).sum()
    if bound <= 0:
        return 1.0
    if x.size > EXACT_UP_TO:
        sums = np.abs(_drawn_patterns(x.size) @ x)
        return float((1 + (sums >= bound).sum()) / (1 + PATTERNS))
    half = x.size // 2
    left, right = _patterns(half) @ x[:half], np.sort(_patterns(x.size - half) @ x[half:])
    reached = right.size - np.searchsorted(right, bound - left)
    return float(2 * reached.sum() / 2**x.size)


def sign_test_p(wins: int, losses: int) -> float:
    """Two-sided p-value of the sign test: the smaller binomial tail, doubled; ties are left out.

    Args:
        wins: Pairs won.
        losses: Pairs lost.

    Returns:
        The p-value, at most 1.

    Raises:
        ValueError: If a count is negative.

    Source: Arbuthnott (1710); Dixon and Mood (1946).

    Example:
        >>> sign_test_p(0, 6), sign_test_p(5, 1)
        (0.03125, 0.21875)
    """
    if min(wins, losses) < 0:
        raise ValueError(f"sign_test_p: expected counts, got {wins} and {losses}")
    return float(min(1.0, 2 * special.bdtr(min(wins, losses), wins + losses, 0.5)))


def all_lost_p(replicates: int, lost_runs: int) -> float:
    r"""Two-sided p-value of losing every pair, `lost_runs` of them because the run was lost.

    The sign test alone cannot go below $2^{1-K}$, which no correction for many comparisons
    survives at K = 6. A lost run says more than a worse score. Under the null both sides
    lose a run with one chance q, which may differ from pair to pair; as they train apart,
    one is lost and the other kept with chance $q(1-q) \le 1/4$. So
    $$p = 2\sum_{i \ge j}\binom{K}{i}\,4^{-K} = 2^{1-K}\,P(\mathrm{Bin}(K, 1/2) \ge j)$$
    which is the sign test at j = 0 and $2 \cdot 4^{-K}$ if all K runs are lost.

    Args:
        replicates: Number of pairs K, all lost by the same side.
        lost_runs: How many of them by a lost run, j.

    Returns:
        The p-value.

    Example:
        >>> all_lost_p(6, 0), round(all_lost_p(6, 6), 6)
        (0.03125, 0.000488)
    """
    at_least = special.bdtrc(lost_runs - 1, replicates, 0.5) if lost_runs else 1.0
    return float(2 * 0.5**replicates * at_least)


@functools.lru_cache
def _patterns(count: int) -> Array:
    """Every pattern of signs, [2**count, count]."""
    return np.array(list(itertools.product((1.0, -1.0), repeat=count))).reshape(2**count, count)


@functools.lru_cache(maxsize=4)
def _drawn_patterns(count: int) -> Array:
    return np.random.default_rng(0).choice([-1.0, 1.0], (PATTERNS, count))
