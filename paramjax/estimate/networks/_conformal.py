"""Split conformal prediction: intervals and sets that cover as often as they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paramjax._checks import describe
from paramjax._display import as_html, lines_of
from paramjax._format import number
from paramjax._types import Key
from paramjax.estimate._estimate import Interval
from paramjax.estimate.networks._conformal_checks import (
    checked_labels,
    checked_prediction,
    checked_probabilities,
    checked_score,
    finite_array,
    uniforms,
    warn_of_few,
)
from paramjax.estimate.networks._conformal_quantile import (
    CoverageLaw,
    conformal_quantile,
    coverage_law,
    weighted_quantiles,
)
from paramjax.estimate.networks._conformal_scores import IntervalScore, SetScore


@dataclass(frozen=True, eq=False, repr=False)
class _Calibrated:
    """Scores of calibration rows, with their groups and weights if they have some."""

    scores: np.ndarray
    groups: np.ndarray | None
    weights: np.ndarray | None

    def __repr__(self) -> str:
        """Rows, the scores' range, and groups."""
        ends = f"{number(self.scores.min())} to {number(self.scores.max())}"
        names, counts = _counts(self.groups)
        groups = ", ".join(f"{n}: {c} rows" for n, c in zip(names, counts, strict=True))
        title = f"{type(self).__name__}: {len(self.scores)} calibration rows"
        return lines_of(title, {"scores": ends, "groups": groups})

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def law(self, level: float) -> CoverageLaw:
        """How the coverage at a level varies with the calibration rows, without groups or weights.

        Args:
            level: Of the predictions, in (0, 1).

        Returns:
            The law of the coverage, see `coverage_law`.

        Raises:
            ValueError: If the level lies outside (0, 1), or there are groups or weights.
        """
        if self.groups is not None or self.weights is not None:
            raise ValueError(
                "law: expected rows without groups and weights; of a group, coverage_law(rows of "
                "the group, level) is the law, and with weights there is none"
            )
        return coverage_law(len(self.scores), level)

    def _thresholds(self, level: float, rows: int, groups: Any, weights: Any) -> np.ndarray:
        """The largest score that is not strange, of each row, float64[rows]."""
        _check_both("groups", self.groups, groups)
        _check_both("weights", self.weights, weights)
        own = None if weights is None else _weights(weights, rows)
        if self.groups is None:
            return self._quantiles(level, np.ones(len(self.scores), bool), own, rows, "")
        asked = _labels("groups", groups, rows)
        unknown = np.setdiff1d(asked, self.groups)
        if len(unknown):
            raise ValueError(f"groups: no calibration row is in group {unknown[0]}")
        found = np.empty(rows)
        for name in np.unique(asked):
            calibrating, where = self.groups == name, asked == name
            mine = None if own is None else own[where]
            group = f" of group {name}"
            found[where] = self._quantiles(level, calibrating, mine, int(where.sum()), group)
        return found

    def _quantiles(
        self, level: float, calibrating: Any, own: np.ndarray | None, rows: int, group: str
    ) -> np.ndarray:
        """The quantile of some of the scores for each of some rows."""
        scores = self.scores[calibrating]
        if not len(scores):
            found = np.full(rows, np.inf)
        elif own is None or self.weights is None:
            found = np.full(rows, conformal_quantile(scores, level))
        else:
            found = weighted_quantiles(scores, self.weights[calibrating], own, level)
        if np.isinf(found).any():
            warn_of_few(len(scores), level, group, weighted=own is not None)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class ConformalIntervals(_Calibrated):
    """Calibrated intervals; made by `conformal_intervals`.

    Attributes:
        scores: Of the calibration rows, float64[rows].
        groups: Of the calibration rows, or None.
        weights: Of the calibration rows, or None.
        score: How strange a value is beside a prediction.
    """

    score: IntervalScore

    def predict(
        self, prediction: Any, level: float = 0.9, *, groups: Any = None, weights: Any = None
    ) -> Interval:
        """Intervals around predictions, which hold the true value with at least this probability.

        Args:
            prediction: Of further rows, as the score takes it.
            level: In (0, 1).
            groups: The group of each row, if the calibration rows have groups.
            weights: The weight of each row, if the calibration rows have weights.

        Returns:
            Lower and upper ends, [rows]; infinite where the calibration rows are too few.

        Raises:
            ValueError: If the level lies outside (0, 1), a shape differs, a number is not finite,
                a group has no calibration row, or groups or weights are missing or too many.

        Warns:
            UserWarning: If there are fewer than level / (1 - level) calibration rows.
        """
        checked = checked_prediction(self.score, prediction)
        rows = np.shape(checked)[-1]
        found = self.score.interval(checked, self._thresholds(level, rows, groups, weights))
        return Interval(*(np.asarray(end) for end in found))


@dataclass(frozen=True, eq=False, repr=False)
class ConformalSets(_Calibrated):
    """Calibrated sets of labels; made by `conformal_sets`.

    Attributes:
        scores: Of the calibration rows, float64[rows].
        groups: Of the calibration rows, their labels if `by_label`, or None.
        weights: Of the calibration rows, or None.
        score: How strange a label is beside class probabilities.
        by_label: Whether each label has a threshold of its own.
    """

    score: SetScore
    by_label: bool

    def predict(
        self, probabilities: Any, level: float = 0.9, *, key: Key | None = None,
        groups: Any = None, weights: Any = None,
    ) -> np.ndarray:  # fmt: skip
        """Sets of labels, which hold the true one with at least this probability.

        Args:
            probabilities: Of the classes of further rows, [rows, classes].
            level: In (0, 1).
            key: A typed key, another one than that of the calibration, for a randomised score.
            groups: The group of each row, if the calibration rows have groups.
            weights: The weight of each row, if the calibration rows have weights.

        Returns:
            Whether each label is in the set, bool[rows, classes]; all are where the calibration
            rows are too few.

        Raises:
            TypeError: If the key is a legacy one.
            ValueError: If the level lies outside (0, 1), a shape differs, a probability is not
                one, a group has no calibration row, the key is missing, or groups or
                weights are missing or too many.

        Warns:
            UserWarning: If there are fewer than level / (1 - level) calibration rows.
        """
        chances = checked_probabilities(probabilities)
        rows, classes = chances.shape
        scores = self.score.score(chances, uniforms(self.score, key, rows))
        if self.by_label:
            if groups is not None:
                raise ValueError("groups: expected none, for each label has a threshold")
            each = [self._of_label(label, level, rows, weights) for label in range(classes)]
            limits = np.stack(each, axis=1)
        else:
            limits = self._thresholds(level, rows, groups, weights)[:, None]
        return np.asarray(scores <= limits)

    def _of_label(self, label: int, level: float, rows: int, weights: Any) -> np.ndarray:
        """The threshold of a label for each row; infinite without a calibration row of it."""
        _check_both("weights", self.weights, weights)
        own = None if weights is None else _weights(weights, rows)
        return self._quantiles(level, self.groups == label, own, rows, f" of label {label}")


def conformal_intervals(
    score: IntervalScore, prediction: Any, y: Any, *, groups: Any = None, weights: Any = None
) -> ConformalIntervals:
    """Calibrate prediction intervals on rows that the model has not seen.

    Split conformal prediction (Vovk, Gammerman and Shafer, 2005, Algorithmic learning in a random
    world; Lei et al., 2018, Distribution-free predictive inference for regression): whatever the
    model, and whatever the distribution, intervals cover a further row with at least the level
    asked for, if it is exchangeable with the calibration rows.

    Args:
        score: `absolute_score()`, `normalised_score()`, `quantile_score()` or your own.
        prediction: Of the calibration rows, as the score takes it: [rows], or a pair of them.
        y: True values of these rows, [rows].
        groups: The group of each row, integers or texts: coverage then holds in each group (Vovk,
            2012, Conditional validity of inductive conformal predictors).
        weights: Likelihood ratios of the rows, from 0, if further rows come from another
            distribution of inputs (Tibshirani et al., 2019, Conformal prediction under covariate
            shift).

    Returns:
        Intervals at any level, by `.predict(prediction, level)`.

    Raises:
        TypeError: If the score is of another kind.
        ValueError: If a shape differs, there is no row, or a number is not finite.

    Example:
        >>> from paramjax.estimate import absolute_score
        >>> y = np.arange(19.0)
        >>> calibrated = conformal_intervals(absolute_score(), np.zeros(19), y)
        >>> interval = calibrated.predict(np.array([5.0]), level=0.9)
        >>> interval.low.tolist(), interval.high.tolist()
        ([-12.0], [22.0])
    """
    checked_score(score, IntervalScore)
    truth = finite_array("y", y, None)
    rows = _one_axis(truth.shape)
    scores = score.score(checked_prediction(score, prediction, rows), truth)
    return ConformalIntervals(scores, *_groups_and_weights(groups, weights, rows[0]), score)


def conformal_sets(
    score: SetScore, probabilities: Any, labels: Any, *, key: Key | None = None,
    by_label: bool = False, groups: Any = None, weights: Any = None,
) -> ConformalSets:  # fmt: skip
    """Calibrate sets of labels on rows that the model has not seen.

    Split conformal prediction, see `conformal_intervals`, of classes.

    Args:
        score: `least_ambiguous_score()`, `adaptive_score()` or your own.
        probabilities: Of the classes of the calibration rows, [rows, classes].
        labels: True labels of these rows, whole numbers [rows] from 0.
        key: A typed key, for a randomised score.
        by_label: Whether each label has a threshold of its own, so that coverage holds for the
            rows of each true label (Sadinle, Lei and Wasserman, 2019, section 2.2).
        groups: See `conformal_intervals`; None with `by_label`.
        weights: See `conformal_intervals`.

    Returns:
        Sets at any level, by `.predict(probabilities, level)`.

    Raises:
        TypeError: If the score is of another kind, the labels are not whole numbers, or the key is
            a legacy one.
        ValueError: If a shape differs, there is no row, a probability is not one, a label is none
            of the classes, the key is missing, or groups are given with `by_label`.

    Example:
        >>> from paramjax.estimate import least_ambiguous_score
        >>> chances = np.array([[0.9, 0.1]] * 9)
        >>> calibrated = conformal_sets(least_ambiguous_score(), chances, np.zeros(9, int))
        >>> calibrated.predict(np.array([[0.95, 0.05], [0.5, 0.5]]), level=0.9).tolist()
        [[True, False], [False, False]]
    """
    checked_score(score, SetScore)
    chances = checked_probabilities(probabilities)
    rows = len(chances)
    own = checked_labels(labels, *chances.shape)
    if by_label and groups is not None:
        raise ValueError("groups: expected none with by_label=True, for labels are the groups")
    scores = score.score(chances, uniforms(score, key, rows))[np.arange(rows), own]
    parts = _groups_and_weights(own if by_label else groups, weights, rows)
    return ConformalSets(scores, *parts, score, by_label)


def _one_axis(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape; raise unless it is [rows] with a row."""
    if len(shape) != 1 or not shape[0]:
        raise ValueError(f"y: expected [rows], at least one, got shape {tuple(shape)}")
    return tuple(shape)


def _groups_and_weights(
    groups: Any, weights: Any, rows: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    return (
        None if groups is None else _labels("groups", groups, rows),
        None if weights is None else _weights(weights, rows),
    )


def _labels(name: str, labels: Any, rows: int) -> np.ndarray:
    own = np.asarray(labels)
    if own.shape != (rows,) or own.dtype.kind not in "biuUSO":
        raise ValueError(
            f"{name}: expected whole numbers or texts of shape {(rows,)}, got {describe(own)}"
        )
    return own


def _weights(weights: Any, rows: int) -> np.ndarray:
    own = finite_array("weights", weights, (rows,))
    if (own < 0).any() or not (own > 0).any():
        raise ValueError("weights: expected numbers from 0, at least one positive")
    return own


def _check_both(name: str, calibrated: np.ndarray | None, given: Any) -> None:
    if (calibrated is None) is not (given is None):
        wanted = "none" if calibrated is None else f"the {name} of these rows"
        have = "have none" if calibrated is None else "have some"
        raise ValueError(f"{name}: expected {wanted}, for the calibration rows {have}")


def _counts(groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if groups is None:
        return np.empty(0, str), np.empty(0, int)
    names, counts = np.unique(groups, return_counts=True)
    return names[:5], counts[:5]
