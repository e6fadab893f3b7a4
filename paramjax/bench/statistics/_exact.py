"""The exact sign-flip test of paired differences."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

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


@functools.lru_cache
def _patterns(count: int) -> Array:
    """Every pattern of signs, [2**count, count]."""
    return np.array(list(itertools.product((1.0, -1.0), repeat=count))).reshape(2**count, count)


@functools.lru_cache(maxsize=4)
def _drawn_patterns(count: int) -> Array:
    return np.random.default_rng(0).choice([-1.0, 1.0], (PATTERNS, count))
