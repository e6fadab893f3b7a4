"""Cross conformal prediction: each row calibrates the model that was trained without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

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
from paramjax.estimate.networks._conformal_quantile import rank_of
from paramjax.estimate.networks._conformal_scores import IntervalScore, SetScore

_BLOCK = 1 << 22
"""Numbers of training rows times further rows that are held at once."""


@dataclass(frozen=True, eq=False, repr=False)
class CrossConformalIntervals:
    """Intervals calibrated by folds; made by `cross_conformal_intervals`.

    Attributes:
        scores: Of each training row beside the model of its fold, float64[rows].
        folds: The fold that held out each row, int[rows].
        score: How strange a value is beside a prediction.
    """

    scores: np.ndarray
    folds: np.ndarray
    score: IntervalScore

    def __repr__(self) -> str:
        """Training rows and folds."""
        return _described(self)

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def predict(self, predictions: Any, level: float = 0.9) -> Interval:
        """Intervals of further rows, of which each fold's model has predicted.

        Args:
            predictions: As the score takes them, each [folds, rows].
            level: In (0, 1).

        Returns:
            Lower and upper ends, [rows]; infinite where the training rows are too few.

        Raises:
            ValueError: If the level lies outside (0, 1), a shape differs, or a number is not
                finite.

        Warns:
            UserWarning: If there are fewer than level / (1 - level) training rows.
        """
        count = int(self.folds.max()) + 1
        checked = _checked_folds(self.score, predictions, count)
        total = np.shape(jax.tree.leaves(checked)[0])[1]
        rank = rank_of(len(self.scores), level)
        if rank > len(self.scores):
            warn_of_few(len(self.scores), level)
            return Interval(np.full(total, -np.inf), np.full(total, np.inf))
        block = max(1, _BLOCK // len(self.scores))
        parts = [
            self._block(jax.tree.map(lambda own, at=at: own[:, at : at + block], checked), rank)
            for at in range(0, total, block)
        ]
        low, high = (np.concatenate(ends) for ends in zip(*parts, strict=True))
        return Interval(low, high)

    def _block(self, predictions: Any, rank: int) -> Interval:
        """The ends at a rank among those of all training rows, [rows of the block]."""
        lows, highs = [], []
        for fold in range(int(self.folds.max()) + 1):
            own = jax.tree.map(lambda leaf, fold=fold: leaf[fold][None, :], predictions)
            ends = self.score.interval(own, self.scores[self.folds == fold][:, None])
            lows.append(ends.low)
            highs.append(ends.high)
        below, above = len(self.scores) - rank, rank - 1
        return Interval(
            np.partition(np.concatenate(lows), below, axis=0)[below],
            np.partition(np.concatenate(highs), above, axis=0)[above],
        )


@dataclass(frozen=True, eq=False, repr=False)
class CrossConformalSets:
    """Sets of labels calibrated by folds; made by `cross_conformal_sets`.

    Attributes:
        scores: Of each training row beside the model of its fold, float64[rows].
        folds: The fold that held out each row, int[rows].
        score: How strange a label is beside class probabilities.
    """

    scores: np.ndarray
    folds: np.ndarray
    score: SetScore

    def __repr__(self) -> str:
        """Training rows and folds."""
        return _described(self)

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def predict(
        self, probabilities: Any, level: float = 0.9, *, key: Key | None = None
    ) -> np.ndarray:
        """Sets of labels of further rows, of which each fold's model has predicted.

        Args:
            probabilities: Class probabilities, [folds, rows, classes].
            level: In (0, 1).
            key: A typed key, another one than that of the calibration, for a randomised score.

        Returns:
            Whether each label is in the set, bool[rows, classes].

        Raises:
            TypeError: If the key is a legacy one.
            ValueError: If the level lies outside (0, 1), a shape differs, a probability is not
                one, or the key is missing.

        Warns:
            UserWarning: If there are fewer than level / (1 - level) training rows.
        """
        chances = checked_probabilities(probabilities, axes=3)
        _check_fold_count("probabilities", len(chances), int(self.folds.max()) + 1)
        scores = self.score.score(chances, uniforms(self.score, key, chances.shape[1]))
        less_strange = np.zeros(scores.shape[1:], int)
        for fold, own in enumerate(scores):
            less_strange += np.searchsorted(np.sort(self.scores[self.folds == fold]), own)
        rank = rank_of(len(self.scores), level)
        if rank > len(self.scores):
            warn_of_few(len(self.scores), level)
        return np.asarray(less_strange < rank)


def cross_conformal_intervals(
    score: IntervalScore, predictions: Any, y: Any, folds: Any
) -> CrossConformalIntervals:
    r"""Calibrate prediction intervals by cross-validation, so that no row is set aside.

    CV+ and, with as many folds as rows, the jackknife+ (Barber, Candes, Ramdas and Tibshirani,
    2021, Predictive inference with the jackknife+): with $R_i$ the score of row i beside the
    model of its fold,
    $$\bigl[\,q^-_i\{\hat\mu_{-i}(x) - R_i\},\; q^+_i\{\hat\mu_{-i}(x) + R_i\}\,\bigr]$$
    They cover with about the level asked for, in theory at least 1 - 2 (1 - level) for the
    jackknife+, and that less $\sqrt{2 / n}$ for CV+.

    Args:
        score: `absolute_score()`, `normalised_score()`, `quantile_score()` or your own.
        predictions: Of all training rows by the model of each fold, as the score takes them, each
            [folds, rows]; those of rows that a model was trained on are not read. From
            `result = pj.cross_validate(...)`: `jax.vmap(apply, (0, None))(result.params, x)`. Of a
            linear regression the jackknife+ has `pj.estimate.influence(est).leave_one_out @ X.T`,
            with a column of ones in X.
        y: True values of the training rows, [rows].
        folds: The fold that held out each row, int[rows], from 0 without a gap: `result.folds`;
            `np.arange(rows)` for the jackknife+.

    Returns:
        Intervals at any level, by `.predict(predictions, level)`.

    Raises:
        TypeError: If the score is of another kind, or the folds are not whole numbers.
        ValueError: If a shape differs, folds have a gap, or a number that is read is not finite.

    Example:
        >>> from paramjax.estimate import absolute_score
        >>> means = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
        >>> fold, y = np.array([0, 0, 1, 1]), np.array([0.0, 2.0, 2.0, 6.0])
        >>> calibrated = cross_conformal_intervals(absolute_score(), means, y, fold)
        >>> interval = calibrated.predict(np.array([[1.0], [3.0]]), level=0.8)
        >>> interval.low.tolist(), interval.high.tolist()
        ([0.0], [6.0])
    """
    checked_score(score, IntervalScore)
    truth = finite_array("y", y, None)
    if truth.ndim != 1 or not len(truth):
        raise ValueError(f"y: expected [rows], at least one, got {truth.shape}")
    own = _fold_numbers(folds, len(truth))
    held_out = jax.tree.map(lambda leaf: _held_out(leaf, own), predictions)
    scores = score.score(checked_prediction(score, held_out, truth.shape), truth)
    return CrossConformalIntervals(scores, own, score)


def cross_conformal_sets(
    score: SetScore, probabilities: Any, labels: Any, folds: Any, *, key: Key | None = None
) -> CrossConformalSets:
    """Calibrate sets of labels by cross-validation, so that no row is set aside.

    Cross-conformal predictors (Vovk, 2015, Cross-conformal predictors), as CV+ for classes
    (Romano, Sesia and Candes, 2020, Classification with valid and adaptive coverage, section
    2.3); for their coverage see `cross_conformal_intervals`.

    Args:
        score: `least_ambiguous_score()`, `adaptive_score()` or your own.
        probabilities: Of all training rows by the model of each fold, [folds, rows, classes].
        labels: True labels of the training rows, whole numbers [rows] from 0.
        folds: The fold that held out each row, int[rows], from 0 without a gap.
        key: A typed key, for a randomised score.

    Returns:
        Sets at any level, by `.predict(probabilities, level)`.

    Raises:
        TypeError: If the score is of another kind, labels or folds are not whole numbers, or the
            key is a legacy one.
        ValueError: If a shape differs, folds have a gap, a probability is not one, a label is
            none of the classes, or the key is missing.

    Example:
        >>> from paramjax.estimate import least_ambiguous_score
        >>> chances = np.tile([0.75, 0.25], (2, 9, 1))
        >>> fold, labels = np.arange(9) % 2, np.zeros(9, int)
        >>> calibrated = cross_conformal_sets(least_ambiguous_score(), chances, labels, fold)
        >>> calibrated.predict(chances[:, :1], level=0.9).tolist()
        [[True, False]]
    """
    checked_score(score, SetScore)
    each = np.asarray(probabilities)
    own = _fold_numbers(folds, each.shape[1] if each.ndim == 3 else np.size(folds))
    chances = checked_probabilities(_held_out(each, own))
    names = checked_labels(labels, *chances.shape)
    rows = len(chances)
    scores = score.score(chances, uniforms(score, key, rows))[np.arange(rows), names]
    return CrossConformalSets(scores, own, score)


def _described(calibrated: CrossConformalIntervals | CrossConformalSets) -> str:
    scores = calibrated.scores
    title = f"{type(calibrated).__name__}: {len(scores)} rows in {calibrated.folds.max() + 1} folds"
    return lines_of(title, {"scores": f"{number(scores.min())} to {number(scores.max())}"})


def _held_out(leaf: Any, folds: np.ndarray) -> np.ndarray:
    """Of each row the prediction of the model that has not seen it."""
    array = np.asarray(leaf)
    count = int(folds.max()) + 1
    if array.ndim < 2 or array.shape[:2] != (count, len(folds)):
        raise ValueError(
            f"predictions: expected [folds, rows, ...] = {(count, len(folds))}, got {array.shape}"
        )
    held_out: np.ndarray = array[folds, np.arange(len(folds))]
    return held_out


def _checked_folds(score: IntervalScore, predictions: Any, count: int) -> Any:
    first = np.shape(jax.tree.leaves(predictions)[0])
    if len(first) != 2 or not first[1]:
        raise ValueError(f"predictions: expected [folds, rows], got {first}")
    _check_fold_count("predictions", first[0], count)
    return checked_prediction(score, predictions, first)


def _check_fold_count(name: str, got: int, count: int) -> None:
    if got != count:
        raise ValueError(f"{name}: expected those of {count} folds' models, got {got}")


def _fold_numbers(folds: Any, rows: int) -> np.ndarray:
    """The fold of each row; raise unless they are numbered from 0 without a gap."""
    own = np.asarray(folds)
    if not np.issubdtype(own.dtype, np.integer):
        raise TypeError(f"folds: expected whole numbers [rows], got {own.dtype}")
    if own.shape != (rows,) or own.min() < 0 or len(np.unique(own)) != own.max() + 1:
        raise ValueError(
            f"folds: expected the fold of each of {rows} rows, from 0 without a gap, got shape "
            f"{own.shape} with numbers {np.unique(own)[:5].tolist()}"
        )
    return own
