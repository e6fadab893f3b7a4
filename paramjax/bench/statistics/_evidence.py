"""The rule of the four words, on many comparisons at once; `decide` and simulations share it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from paramjax.bench.statistics._binomial import all_lost_p, sign_test_p
from paramjax.bench.statistics._exact import sign_flip_p
from paramjax.bench.statistics._interval import Array, Student, student

BETTER, WORSE, EQUIVALENT, UNDECIDED = "better", "worse", "equivalent", "undecided"

LEVEL = 0.95


class Pairs(NamedTuple):
    """How the pairs of each comparison ended, counts [cases].

    Attributes:
        wins: The optimizer is ahead by more than the margin, or only the baseline is lost.
        losses: The baseline is ahead by more than the margin, or only the optimizer is lost.
        level: Equal scores, or both lost: the sign test leaves them out.
        lost: Runs that the optimizer lost.
        lost_baseline: Runs that the baseline lost.
        lost_both: Pairs in which both are lost.
    """

    wins: Array
    losses: Array
    level: Array
    lost: Array
    lost_baseline: Array
    lost_both: Array


class Evidence(NamedTuple):
    """What decides each comparison, arrays [cases].

    Attributes:
        student: Student's test of the gains, the pairs with a lost run left out.
        pairs: How the pairs ended.
        by_signs: Whether a run was lost, so that the sign test decides.
        gains: Optimizer minus baseline, positive if the optimizer is ahead, [cases, replicates].
        p_value: Two-sided, of a difference beyond the margin.
        p_equivalent: Of a difference within it; 1 if one side lost more runs.
        words: The uncorrected words.
    """

    student: Student
    pairs: Pairs
    by_signs: Array
    gains: Array
    p_value: Array
    p_equivalent: Array
    words: Array


def weigh(
    scores: Array,
    baseline: Array,
    *,
    margin: float,
    maximise: bool,
    variance_ratio: float,
    level: float,
) -> Evidence:
    """The rule of `decide` on many comparisons at once, for simulations and calibrations.

    Args:
        scores: Scores of the optimizer, [cases, replicates]; NaN where a run was lost.
        baseline: Those of the baseline, of the same shape.
        margin: As in `decide`.
        maximise: As in `decide`.
        variance_ratio: As in `decide`.
        level: As in `decide`.

    Returns:
        What decides each comparison, and its uncorrected word.

    Example:
        >>> import numpy as np
        >>> base = np.zeros((2, 6))
        >>> ahead = base + np.array([[1.0], [0.0]])
        >>> weigh(ahead, base, margin=0.1, maximise=True, variance_ratio=0.0, level=0.95).words
        array(['better', 'equivalent'], dtype='<U10')
    """
    gains = (scores - baseline) * (1 if maximise else -1)
    pairs = _pairs(scores, baseline, gains, margin)
    test = student(gains, margin, variance_ratio)
    by_signs = (pairs.lost + pairs.lost_baseline) > 0
    p_value = test.p_value.copy()
    for case in np.flatnonzero(by_signs).tolist():
        p_value[case] = signs_p(pairs, case, gains.shape[-1])
    p_equivalent = np.where(pairs.lost == pairs.lost_baseline, test.p_equivalent, 1.0)
    evidence = Evidence(test, pairs, by_signs, gains, p_value, p_equivalent, np.empty(0))
    return evidence._replace(words=_words(evidence, margin, level))


def guard_level(level: float) -> float:
    """The p-value that the exact test may have at most: 5 %, whatever look or family."""
    return max(1 - level, 1 - LEVEL)


def guard_p(evidence: Evidence, case: int, margin: float) -> float:
    """P-value of the exact test: sign flips of gains moved by the margin, or plain signs."""
    if evidence.by_signs[case]:
        return signs_p(evidence.pairs, case, evidence.gains.shape[-1], refined=False)
    mean = float(evidence.student.mean[case])
    if abs(mean) <= margin:
        return 1.0
    return sign_flip_p(evidence.gains[case] - np.copysign(margin, mean))


def signs_p(pairs: Pairs, case: int, replicates: int, *, refined: bool = True) -> float:
    """Two-sided sign test of one comparison: pairs within the margin count against a verdict.

    They must: were they left out, an optimizer a hair ahead of the margin in a tenth of the
    pairs would be better beyond it. `refined` takes lost runs into account if all are lost.
    """
    wins, losses = int(pairs.wins[case]), int(pairs.losses[case])
    most, counted = max(wins, losses), replicates - int(pairs.level[case])
    if refined and most == replicates:
        by_loss = pairs.lost_baseline if wins > losses else pairs.lost
        return all_lost_p(replicates, int(by_loss[case]))
    return sign_test_p(most, counted - most) if 2 * most > counted else 1.0


def _pairs(scores: Array, baseline: Array, gains: Array, margin: float) -> Pairs:
    lost, lost_baseline = ~np.isfinite(scores), ~np.isfinite(baseline)
    both = lost & lost_baseline
    gains = np.where(lost | lost_baseline, 0.0, gains)
    wins = (lost_baseline & ~lost) | (gains > margin)
    losses = (lost & ~lost_baseline) | (gains < -margin)
    even = both | (~lost & ~lost_baseline & (gains == 0)) if margin == 0 else both
    return Pairs(*(np.sum(x, -1) for x in (wins, losses, even, lost, lost_baseline, both)))


def _words(evidence: Evidence, margin: float, level: float) -> Array:
    """Better or worse if both tests say so, else equivalent, else undecided."""
    pairs = evidence.pairs
    ahead = np.where(evidence.by_signs, pairs.wins > pairs.losses, evidence.student.mean > 0)
    barred = ahead & (pairs.lost > pairs.lost_baseline)
    beyond = (evidence.p_value <= 1 - level) & ~barred
    for case in np.flatnonzero(beyond).tolist():
        beyond[case] = guard_p(evidence, case, margin) <= guard_level(level)
    within = evidence.p_equivalent <= 1 - level
    return np.select(
        [beyond & ahead, beyond, within], [BETTER, WORSE, EQUIVALENT], default=UNDECIDED
    )
