"""The quantile of calibration scores that makes conformal prediction exact in finite samples."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from paramjax._checks import check_count
from paramjax.estimate._estimate import check_level

_ROUNDING = 1e-12
"""Of sums of weights, relative."""


class CoverageLaw(NamedTuple):
    r"""The distribution, over calibration sets, of the coverage of a split-conformal predictor.

    Given its n calibration rows, a predictor covers a share of all further rows that is
    distributed as $\mathrm{Beta}(k, n + 1 - k)$ with $k = \lceil (n+1)\,\mathrm{level} \rceil$,
    if the rows are exchangeable and no two scores are equal; with ties it covers no less (Vovk,
    2012, Conditional validity of inductive conformal predictors).

    Attributes:
        rank: k, the rank of the score that decides; n + 1 if the n rows are too few.
        rows: n, the calibration rows.

    Example:
        >>> law = CoverageLaw(rank=19, rows=19)
        >>> law.mean, [round(end, 3) for end in law.interval(0.9)]
        (0.95, [0.854, 0.997])
    """

    rank: int
    rows: int

    @property
    def mean(self) -> float:
        """The mean coverage, k / (n + 1), at least the level."""
        return self.rank / (self.rows + 1)

    @property
    def std(self) -> float:
        """The standard deviation of the coverage over calibration sets."""
        return math.sqrt(self.mean * (1.0 - self.mean) / (self.rows + 2))

    def interval(self, level: float = 0.95, *, test_rows: int | None = None) -> tuple[float, float]:
        """Where the coverage lies with this probability, as much beyond either end.

        Args:
            level: Probability, in (0, 1).
            test_rows: The number of rows on which the coverage is measured, positive: the share
                covered among them is then beta-binomial; None takes all rows there could be.

        Returns:
            Lower and upper end; 1 and 1 if the calibration rows are too few.

        Raises:
            TypeError: If `test_rows` is not a whole number.
            ValueError: If the level lies outside (0, 1), or `test_rows` is less than 1.
        """
        tail = 0.5 - check_level(level) / 2
        if test_rows is not None:
            check_count("test_rows", test_rows)
        a, b = self.rank, self.rows + 1 - self.rank
        if b == 0:
            return 1.0, 1.0
        if test_rows is None:
            return float(special.betaincinv(a, b, tail)), float(special.betaincinv(a, b, 1 - tail))
        covered = np.cumsum(_beta_binomial(test_rows, a, b))
        low, high = np.searchsorted(covered, [tail, 1.0 - tail])
        return float(low / test_rows), float(min(high, test_rows) / test_rows)


def coverage_law(rows: int, level: float) -> CoverageLaw:
    """How the coverage of split conformal prediction varies with its calibration rows.

    Vovk (2012, Conditional validity of inductive conformal predictors), see `CoverageLaw`.

    Args:
        rows: Calibration rows, positive.
        level: Of the predictions, in (0, 1).

    Returns:
        The law: its mean, deviation and intervals.

    Raises:
        TypeError: If `rows` is not a whole number.
        ValueError: If `rows` is less than 1, or the level lies outside (0, 1).

    Example:
        >>> law = coverage_law(999, 0.9)
        >>> law.mean, round(law.std, 4)
        (0.9, 0.0095)
    """
    check_count("rows", rows)
    return CoverageLaw(rank_of(rows, level), rows)


def conformal_quantile(scores: Any, level: float) -> float:
    r"""The score below which a further one lies with at least this probability.

    The $\lceil (n+1)\,\mathrm{level} \rceil$-th smallest of n scores (Vovk, Gammerman and
    Shafer, 2005; Lei et al., 2018, Distribution-free predictive inference for regression, lemma
    2), of the level as it is written: 0.9 is nine tenths.

    Args:
        scores: Of calibration rows that are exchangeable with the further one, [rows].
        level: In (0, 1).

    Returns:
        The quantile; infinite if there are fewer than level / (1 - level) scores.

    Raises:
        ValueError: If scores have another shape or are NaN, there is none, or the level lies
            outside (0, 1).

    Example:
        >>> conformal_quantile(np.arange(1, 20), 0.9), conformal_quantile(np.arange(1, 9), 0.9)
        (18.0, inf)
    """
    known = checked_scores(scores)
    rank = rank_of(len(known), level)
    return float(np.partition(known, rank - 1)[rank - 1]) if rank <= len(known) else math.inf


def weighted_quantiles(
    scores: np.ndarray, weights: np.ndarray, own: np.ndarray, level: float
) -> np.ndarray:
    """Quantiles of weighted scores and one infinite score for each further row, [further rows].

    Tibshirani, Barber, Candes and Ramdas (2019, Conformal prediction under covariate shift).
    """
    check_level(level)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = level * (reached[-1] + own)
    # equal weights must give the rank that they give exactly
    index = np.searchsorted(reached, wanted * (1.0 - _ROUNDING))
    return np.asarray(np.append(scores[order], np.inf)[index])


def rank_of(rows: int, level: float) -> int:
    """The smallest whole number from (rows + 1) level on, of the level as it is written."""
    return math.ceil((rows + 1) * Fraction(str(float(check_level(level)))))


def least_rows(level: float) -> int:
    """The fewest calibration rows with which a quantile is finite."""
    share = Fraction(str(float(level)))
    return math.ceil(share / (1 - share))


def checked_scores(scores: Any) -> np.ndarray:
    """Scores as float64[rows]; raise unless there are some and none is NaN."""
    known = np.asarray(scores, np.float64)
    if known.ndim != 1 or not len(known) or np.isnan(known).any():
        raise ValueError(
            "scores: expected numbers [rows], at least one and none NaN, got shape "
            f"{known.shape}{' with NaN' if np.isnan(known).any() else ''}"
        )
    return known


def _beta_binomial(rows: int, a: float, b: float) -> np.ndarray:
    """Probabilities of 0, 1, ..., rows covered rows, float64[rows + 1]."""
    hits = np.arange(rows + 1)
    ways = -special.betaln(rows - hits + 1, hits + 1) - math.log(rows + 1)
    logs = ways + special.betaln(hits + a, rows - hits + b) - special.betaln(a, b)
    return np.asarray(np.exp(logs))
