"""What the report measures beside the verdicts, as pure functions of arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from paramjax.plots._scale import Scale, scale_of, usual

Floats = NDArray[np.float64]

_USUAL = 0.85
"""Share of the values that an axis must hold: one broken optimizer would squeeze the others."""

_LATE = 0.2
"""The last share of a training, of which `late_gain` speaks."""

_EDGE = 0.03
"""Where marks beyond an axis stand, as a share of it."""


class Band(NamedTuple):
    """A line with a band around it; each float[points]."""

    middle: Floats
    low: Floats
    high: Floats


def expected_best(values: ArrayLike, *, maximise: bool) -> Floats:
    """Mean of the best of k of n values over all subsets of size k, float[n] for k = 1..n.

    E_k = sum_i v_(i) C(i - 1, k - 1) / C(n, k) with v_(1) the worst. Dodge et al. (2019, Show your
    work) draw with replacement instead, which is biased (Tang et al., 2020, Showing your work
    doesn't always work).

    Example:
        >>> expected_best([3.0, 1.0, 2.0], maximise=True).round(4).tolist()
        [2.0, 2.6667, 3.0]
    """
    ordered = np.sort(np.asarray(values, float))
    ordered = ordered if maximise else ordered[::-1]
    n = len(ordered)
    weights = [[math.comb(i, k - 1) / math.comb(n, k) for i in range(n)] for k in range(1, n + 1)]
    return np.asarray(np.array(weights) @ ordered)


def expected_best_band(values: ArrayLike, *, maximise: bool, level: float = 0.95) -> Band:
    """Mean over replicates of the expected best within each, with Student's interval.

    Trials of different replicates are never ranked against each other, for their validation rows
    may differ.

    Args:
        values: Validation scores, float[replicates, trials].
        maximise: Whether larger is better.
        level: Of the interval, which one replicate does not have.
    """
    each = np.array([expected_best(row, maximise=maximise) for row in np.asarray(values, float)])
    mean, count = each.mean(axis=0), len(each)
    if count == 1:
        return Band(mean, mean, mean)
    quantile = stats.t.ppf((1 + level) / 2, count - 1)
    half = quantile * each.std(axis=0, ddof=1) / math.sqrt(count)
    return Band(mean, mean - half, mean + half)


def capped(values: ArrayLike, untrained: float, *, maximise: bool) -> Floats:
    """Scores, none worse than that of the untrained parameters; a lost training equals it.

    Example:
        >>> capped([0.9, 0.05, float("nan")], 0.1, maximise=True).tolist()
        [0.9, 0.1, 0.1]
    """
    worse = np.fmax if maximise else np.fmin
    return np.asarray(worse(np.asarray(values, float), untrained))


def sensitivity(values: ArrayLike, untrained: float, *, maximise: bool) -> float:
    """Mean over trials of how far a trial stays behind the best one, but no further than untrained.

    Wortsman et al. (2023, Small-scale proxies for large-scale Transformer training instabilities)
    take this expectation over the learning rates of a range, which the trials cover evenly.

    Example:
        >>> round(sensitivity([0.9, 0.8, float("nan")], 0.1, maximise=True), 4)
        0.3
    """
    kept = capped(values, untrained, maximise=maximise)
    best = kept.max() if maximise else kept.min()
    return float(np.abs(best - kept).mean())


def grouped(positions: ArrayLike, values: ArrayLike, groups: int) -> tuple[Floats, Floats]:
    """Mean position and mean value of neighbours, in so many groups of about equal size.

    Example:
        >>> [part.tolist() for part in grouped([3.0, 1.0, 2.0, 4.0], [9.0, 1.0, 3.0, 5.0], 2)]
        [[1.5, 3.5], [2.0, 7.0]]
    """
    where = np.asarray(positions, float)
    order = np.argsort(where, kind="stable")
    parts = np.array_split(order, min(groups, len(order)))
    known = np.asarray(values, float)
    return (
        np.array([where[part].mean() for part in parts]),
        np.array([known[part].mean() for part in parts]),
    )


def first_reaching(steps: ArrayLike, values: ArrayLike, target: float, *, maximise: bool) -> float:
    """The first step at which a curve has reached its target, or infinity.

    Example:
        >>> first_reaching([10, 20, 30], [0.5, 0.9, 0.8], 0.85, maximise=True)
        20.0
    """
    known = np.asarray(values, float)
    reached = known >= target if maximise else known <= target
    return float(np.asarray(steps, float)[np.argmax(reached)]) if reached.any() else math.inf


def share_reached(times: ArrayLike) -> tuple[Floats, Floats]:
    """Times at which trainings reached their target, and the share that had reached it by then.

    An infinite time is a miss: the training was stopped at the common last step, or had diverged
    and would never reach it. As nothing is censored before the last step, the Kaplan-Meier
    estimate is this plain share.

    Example:
        >>> [part.tolist() for part in share_reached([30.0, math.inf, 10.0, 10.0])]
        [[10.0, 30.0], [0.5, 0.75]]
    """
    known = np.asarray(times, float)
    when = np.unique(known[np.isfinite(known)])
    return when, np.array([(known <= time).mean() for time in when])


def typical(curves: ArrayLike, *, maximise: bool) -> Band:
    """Median and middle half of curves, float[trainings, points]; lost values count as worst.

    The ends of the band are values that were measured. A part is NaN where it is lost.
    """
    worst = -math.inf if maximise else math.inf
    known = np.asarray(curves, float)
    ordered = np.sort(np.where(np.isfinite(known), known, worst), axis=0)
    last = len(ordered) - 1
    quarter = last // 4
    with np.errstate(invalid="ignore"):
        middle = (ordered[last // 2] + ordered[-(-last // 2)]) / 2
    parts = (middle, ordered[quarter], ordered[last - quarter])
    return Band(*(np.where(np.isfinite(part), part, np.nan) for part in parts))


def late_gain(curve: ArrayLike, *, maximise: bool) -> float:
    """What a curve wins in its last fifth; NaN if its end is lost.

    Example:
        >>> round(late_gain([0.0, 0.5, 0.7, 0.8, 0.9, 0.93], maximise=True), 3)
        0.03
    """
    known = np.asarray(curve, float) * (1 if maximise else -1)
    return float(known[-1] - known[math.floor((1 - _LATE) * (len(known) - 1))])


def curve_scale(curves: ArrayLike, always: ArrayLike = (), *, maximise: bool) -> Scale:
    """The axis for curves, float[optimizers, points], where they differ: in their second half.

    The values in `always` are within the axis.
    """
    known = np.asarray(curves, float)
    late = known[:, known.shape[1] // 2 :]
    shown = [usual(late, _USUAL, maximise=maximise), np.asarray(always, float)]
    return scale_of(np.concatenate(shown), known, maximise=maximise)


def search_scale(values: ArrayLike, chosen: ArrayLike, *, maximise: bool) -> Scale:
    """The axis for the better two thirds of all trials and nearly all of the chosen ones."""
    parts = [
        usual(values, 2 / 3, maximise=maximise),
        usual(chosen, _USUAL, maximise=maximise),
    ]
    return scale_of(np.concatenate(parts), values, maximise=maximise)


def usual_scale(values: ArrayLike, *, maximise: bool) -> Scale:
    """The axis for most of the values, the better ones."""
    return scale_of(usual(values, _USUAL, maximise=maximise), values, maximise=maximise)


def bad_end(scale: Scale) -> float:
    """Where a mark stands whose value lies beyond the bad end of an axis, or is lost.

    Example:
        >>> round(bad_end(Scale(0.0, 1.0, False, True)), 4)
        0.03
    """
    low, high = float(scale.linear(scale.low)), float(scale.linear(scale.high))
    at = low + (high - low) * (_EDGE if scale.maximise else 1 - _EDGE)
    return float(10**at) if scale.log else at
