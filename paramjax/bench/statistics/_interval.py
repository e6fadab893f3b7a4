"""Student's interval for the mean of paired differences, on one split or on several."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import special

Array = np.ndarray[Any, np.dtype[Any]]

ROUNDING = 1e-12
"""A spread or a distance below this share of the largest number is rounding."""


class Student(NamedTuple):
    """Student's verdict on each row of differences.

    Attributes:
        mean: Mean difference, [cases].
        error: Standard error `s sqrt(c)`, [cases].
        freedom: Degrees of freedom, one less than the finite differences, [cases].
        p_value: Two-sided, of a mean beyond the margin, [cases].
        p_equivalent: The larger of two one-sided tests, of a mean within the margin, [cases].
    """

    mean: Array
    error: Array
    freedom: Array
    p_value: Array
    p_equivalent: Array

    def interval(self, level: float, factor: Array | float = 1.0) -> tuple[Array, Array]:
        """Low and high end; `factor` multiplies the standard error."""
        known = self.freedom > 0
        quantile = special.stdtrit(np.where(known, self.freedom, 1), (1 + level) / 2)
        half = np.where(known, quantile * self.error * factor, np.nan)
        return self.mean - half, self.mean + half


def variance_factor(replicates: Any, variance_ratio: float) -> Any:
    r"""What multiplies the variance of differences: $c = 1/K + n_\text{test}/n_\text{learn}$.

    Source: Nadeau and Bengio (2003), Inference for the generalization error, equation 9.
    """
    return 1 / np.maximum(replicates, 1) + variance_ratio


def student(differences: Array, margin: float, variance_ratio: float) -> Student:
    """Student's test of each row, [cases, replicates]; what is NaN is left out."""
    finite = np.isfinite(differences)
    count = finite.sum(-1)
    values = np.where(finite, differences, 0.0)
    mean = np.where(count > 0, values.sum(-1) / np.maximum(count, 1), np.nan)
    squares = np.where(finite, (differences - mean[..., None]) ** 2, 0.0).sum(-1)
    spread = np.sqrt(squares / np.maximum(count - 1, 1))
    noise = ROUNDING * np.maximum(np.abs(values).max(-1), margin)
    error = np.where(spread <= noise, 0.0, spread) * np.sqrt(variance_factor(count, variance_ratio))
    beyond = np.abs(mean) - margin
    beyond = np.where(np.abs(beyond) <= noise, 0.0, beyond)
    identical = (mean == 0) & (error == 0) & (count > 1)
    return Student(
        mean=mean,
        error=error,
        freedom=count - 1,
        p_value=np.where(beyond > 0, np.minimum(1, 2 * _tail(beyond, error, count)), 1.0),
        p_equivalent=np.where(identical, 0.0, _tail(-beyond, error, count)),
    )


def _tail(distance: Array, error: Array, count: Array) -> Array:
    """P(T > distance / error); without any spread 0 if there is a distance, else 1."""
    freedom = np.maximum(count - 1, 1)
    statistic = distance / np.where(error > 0, error, 1.0)
    with_spread = special.stdtr(freedom, -statistic)
    without = np.where(distance > 0, 0.0, 1.0)
    return np.where(count < 2, 1.0, np.where(error > 0, with_spread, without))
