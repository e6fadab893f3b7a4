"""Scores: how strange a value or label is beside a prediction, and the values that are not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import check_count, check_scalar
from paramjax.estimate._estimate import Interval

Pair = tuple[np.ndarray, np.ndarray]
"""A prediction of two arrays, each [rows]."""


class IntervalScore(NamedTuple):
    """How strange values are beside a prediction, and its inverse.

    Attributes:
        score: `(prediction, y) -> scores`, larger for stranger values; all [rows].
        interval: `(prediction, score) -> Interval` of the values up to that score.
        parts: What a prediction consists of, in words: one name, or one for each array of a pair.

    Example:
        >>> own = absolute_score()
        >>> own.score(np.array([2.0]), np.array([5.0])).tolist()
        [3.0]
    """

    score: Callable[[Any, np.ndarray], np.ndarray]
    interval: Callable[[Any, Any], Interval]
    parts: tuple[str, ...]


class SetScore(NamedTuple):
    """How strange each label is beside class probabilities.

    Attributes:
        score: `(probabilities, u) -> scores` [..., rows, classes], larger for stranger labels;
            `u` [rows, 1] is uniform on [0, 1), or None for a score that takes none.
        randomised: Whether the score takes `u`, so that predictions need a key.

    Example:
        >>> least_ambiguous_score().score(np.array([[0.25, 0.75]]), None).tolist()
        [[0.75, 0.25]]
    """

    score: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    randomised: bool


def absolute_score() -> IntervalScore:
    """The distance from a predicted value: intervals of one width.

    Lei et al. (2018, Distribution-free predictive inference for regression).

    Returns:
        A score of predictions [rows].

    Example:
        >>> absolute_score().interval(np.array([2.0]), 0.5).high.tolist()
        [2.5]
    """
    return IntervalScore(_distance, _around, ("mean",))


def normalised_score() -> IntervalScore:
    """The distance in units of a predicted deviation: intervals wide where the model is unsure.

    Lei et al. (2018, Distribution-free predictive inference for regression, section 5.2).

    Returns:
        A score of predictions `(mean, deviation)`, each [rows], deviations positive.

    Example:
        >>> own = normalised_score()
        >>> own.score((np.array([2.0]), np.array([2.0])), np.array([5.0])).tolist()
        [1.5]
    """
    return IntervalScore(_scaled_distance, _scaled_around, ("mean", "deviation"))


def quantile_score() -> IntervalScore:
    """How far a value lies beyond predicted quantiles, negative between them.

    Romano, Patterson and Candes (2019, Conformalized quantile regression). An interval whose
    ends cross is empty.

    Returns:
        A score of predictions `(low, high)`, each [rows].

    Example:
        >>> own = quantile_score()
        >>> own.score((np.array([1.0]), np.array([3.0])), np.array([3.5])).tolist()
        [0.5]
    """
    return IntervalScore(_beyond, _moved, ("low", "high"))


def least_ambiguous_score() -> SetScore:
    """One minus the probability of a label: the smallest sets on average.

    Sadinle, Lei and Wasserman (2019, Least ambiguous set-valued classifiers with bounded error
    levels). Sets may be empty.

    Returns:
        A score of class probabilities.

    Example:
        >>> least_ambiguous_score().randomised
        False
    """
    return SetScore(_ambiguity, randomised=False)


def adaptive_score(*, penalty: float = 0.0, free: int = 0, randomised: bool = True) -> SetScore:
    r"""Probability of the labels before and including one: sets grow where classes compete.

    $$s(p, y, u) = \sum_{j: p_j > p_y} p_j + u\,p_y + \lambda\,(r_y - f)^+$$
    with $r_y$ the rank of the label, 1 for the most probable (Romano, Sesia and Candes, 2020,
    Classification with valid and adaptive coverage; with a penalty Angelopoulos et al., 2021,
    Uncertainty sets for image classifiers using conformal prediction).

    Args:
        penalty: $\lambda$, from 0, which keeps sets small.
        free: $f$, ranks without a penalty, from 0.
        randomised: Whether u is drawn, so that coverage is exact; else it is 1, which covers more.

    Returns:
        A score of class probabilities; predictions take a key if it is randomised.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is negative.

    Example:
        >>> own = adaptive_score(randomised=False)
        >>> own.score(np.array([[0.25, 0.75]]), None).tolist()
        [[1.0, 0.75]]
    """
    check_scalar("penalty", penalty)
    check_count("free", free, least=0)

    return SetScore(functools.partial(_adaptive, penalty=penalty, free=free), randomised)


# functions of the module, so that calibrated predictors go through pickle


def _distance(mean: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(y - mean))


def _around(mean: np.ndarray, q: Any) -> Interval:
    return Interval(mean - q, mean + q)


def _scaled_distance(prediction: Pair, y: np.ndarray) -> np.ndarray:
    return np.asarray(_distance(prediction[0], y) / _positive(prediction[1]))


def _scaled_around(prediction: Pair, q: Any) -> Interval:
    return _around(prediction[0], q * _positive(prediction[1]))


def _beyond(ends: Pair, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(ends[0] - y, y - ends[1]))


def _moved(ends: Pair, q: Any) -> Interval:
    return Interval(ends[0] - q, ends[1] + q)


def _ambiguity(probabilities: np.ndarray, u: np.ndarray | None) -> np.ndarray:
    return 1.0 - probabilities


def _adaptive(
    probabilities: np.ndarray, u: np.ndarray | None, *, penalty: float, free: int
) -> np.ndarray:
    """The probability reached at each label when labels are added by their probability."""
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    reached = np.cumsum(ranked, axis=-1)
    if u is not None:
        reached = reached - (1.0 - u) * ranked
    reached = reached + penalty * np.maximum(np.arange(ranked.shape[-1]) + 1 - free, 0)
    places = np.argsort(order, axis=-1, kind="stable")
    return np.asarray(np.take_along_axis(reached, places, axis=-1))


def _positive(deviation: np.ndarray) -> np.ndarray:
    if not (deviation > 0).all():
        row = int(np.argwhere(~(deviation > 0))[0][-1])
        raise ValueError(
            f"prediction: deviation: expected positive numbers, got one that is not in row {row}"
        )
    return deviation
