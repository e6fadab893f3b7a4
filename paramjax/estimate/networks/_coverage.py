"""How often intervals and sets hold what they should, and how large they are."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from paramjax.estimate._estimate import Interval, check_level
from paramjax.estimate.networks._conformal_checks import checked_labels, finite_array


class Coverage(NamedTuple):
    """The share of rows whose interval or set holds the truth, and the mean size.

    Attributes:
        share: Of the rows that are covered.
        low: Lower end of its interval, by Clopper and Pearson (1934), for these predictors on
            further rows.
        high: Upper end.
        size: Mean width of the intervals, or mean number of labels in the sets.
        size_low: Lower end of its interval, by Student's t.
        size_high: Upper end.
        rows: Their number.

    Example:
        >>> coverage(np.array([[True, False], [True, True]]), np.array([0, 0])).size
        1.5
    """

    share: float
    low: float
    high: float
    size: float
    size_low: float
    size_high: float
    rows: int

    def __str__(self) -> str:
        """Share and size with their intervals."""
        return (
            f"{self.share:.1%} of {self.rows} rows covered ({self.low:.1%} to {self.high:.1%}), "
            f"mean size {self.size:.4g} ({self.size_low:.4g} to {self.size_high:.4g})"
        )


def coverage(predicted: Interval | Any, truth: Any, *, level: float = 0.95) -> Coverage:
    """Measure how often intervals or sets hold the truth, and how large they are.

    Args:
        predicted: An interval for each row, `(low, high)` of [rows] each; or sets of labels,
            bool[rows, classes].
        truth: True values [rows], or true labels, whole numbers [rows] from 0.
        level: Confidence of the two intervals reported, in (0, 1).

    Returns:
        Share covered and mean size, with an interval each. An interval whose ends cross is empty.

    Raises:
        TypeError: If sets are not truth values, or labels not whole numbers.
        ValueError: If a shape differs, there is no row, an end is NaN, a label is none of the
            classes, or the level lies outside (0, 1).

    Example:
        >>> interval = (np.zeros(4), np.array([1.0, 1.0, 2.0, 4.0]))
        >>> found = coverage(interval, np.array([0.5, 3.0, 1.0, 4.0]))
        >>> found.share, found.size, round(found.low, 3)
        (0.75, 2.0, 0.194)
    """
    check_level(level)
    inside, sizes = _intervals(predicted, truth) if _is_pair(predicted) else _sets(predicted, truth)
    hits, rows, tail = int(inside.sum()), len(inside), 0.5 - level / 2
    low = float(special.betaincinv(hits, rows - hits + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, rows - hits, 1 - tail)) if hits < rows else 1.0
    size = float(sizes.mean())
    half = math.inf
    if rows > 1 and math.isfinite(size):
        deviation = float(sizes.std(ddof=1)) / math.sqrt(rows)
        half = float(special.stdtrit(rows - 1, 1 - tail)) * deviation
    ends = (size - half, size + half) if math.isfinite(size) else (math.inf, math.inf)
    return Coverage(hits / rows, low, high, size, *ends, rows)


def _is_pair(predicted: Any) -> bool:
    return isinstance(predicted, tuple) and len(predicted) == 2


def _intervals(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Whether each interval holds the truth, and its width."""
    low, high = (np.asarray(end, np.float64) for end in predicted)
    values = finite_array("truth", truth, None)
    if not (low.shape == high.shape == values.shape) or low.ndim != 1 or not len(low):
        raise ValueError(
            "predicted: expected ends and truth [rows], at least one, got shapes "
            f"{low.shape}, {high.shape} and {values.shape}"
        )
    bad = np.flatnonzero(np.isnan(low) | np.isnan(high))
    if len(bad):
        raise ValueError(f"predicted: expected ends of each interval, got NaN in row {bad[0]}")
    return (low <= values) & (values <= high), np.maximum(high - low, 0.0)


def _sets(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Whether each set holds the true label, and how many it holds."""
    sets = np.asarray(predicted)
    if sets.dtype != bool:
        raise TypeError(
            "predicted: expected a pair (low, high) of [rows], or sets of labels bool[rows, "
            f"classes], got {sets.dtype}{list(sets.shape)}"
        )
    if sets.ndim != 2 or not sets.size:
        raise ValueError(f"predicted: expected sets bool[rows, classes], got shape {sets.shape}")
    labels = checked_labels(truth, *sets.shape)
    return sets[np.arange(len(sets)), labels], sets.sum(axis=1).astype(np.float64)
