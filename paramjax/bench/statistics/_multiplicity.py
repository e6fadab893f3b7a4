"""Corrections for many comparisons in one report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import BETTER, EQUIVALENT, LEVEL, UNDECIDED, WORSE
from paramjax.bench.statistics._interval import Array
from paramjax.bench.statistics._reasons import needed_of, outlook, reason_of


def holm(p_values: Any) -> Array:
    r"""P-values after Holm's step-down correction.

    With the n values in ascending order,
    $$\tilde p_{(i)} = \max_{j \le i} \min(1, (n - j + 1)\,p_{(j)})$$

    Args:
        p_values: [comparisons], each in [0, 1].

    Returns:
        The corrected values in the given order, [comparisons].

    Raises:
        ValueError: If one does not lie in [0, 1].

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p_values, np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"holm: expected a list of values in [0, 1], got {p_values}")
    order = np.argsort(values, kind="stable")
    scaled = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(scaled, 1)
    return corrected


def adjust(decisions: Sequence[Decision], level: float = LEVEL) -> list[Decision]:
    """Correct a family of comparisons: all optimizers on all workloads of a report.

    Holm's correction of `p_value` for better and worse, and apart from it of `p_equivalent`;
    a comparison cannot be both falsely better and falsely equivalent. The exact test stays
    at its own level: it guards each comparison against skew, and with six replicates it
    could pass no correction. `alone` keeps the uncorrected word.

    Args:
        decisions: What `decide` returned.
        level: Confidence level of the family; that of the look in sequential mode.

    Returns:
        The decisions in the same order, with corrected words, p-values and reasons.

    Raises:
        ValueError: If level does not lie in (0.5, 1).

    Source: Holm (1979).

    Example:
        >>> from paramjax.bench.statistics import decide
        >>> base = [0.91, 0.90, 0.92, 0.89, 0.91, 0.90]
        >>> near = decide([0.92, 0.93, 0.93, 0.93, 0.92, 0.94], base, margin=0.0, maximise=True)
        >>> [d.word for d in adjust([near] * 4)], near.word
        (['undecided', 'undecided', 'undecided', 'undecided'], 'better')
    """
    if not 0.5 < level < 1:
        raise ValueError(f"adjust: expected level in (0.5, 1), got {level}; 0.95 is usual")
    beyond = holm([decision.p_value for decision in decisions])
    within = holm([decision.p_equivalent for decision in decisions])
    return [
        _corrected(decision._replace(p_adjusted=float(p), p_equivalent_adjusted=float(q)), n, level)
        for decision, p, q in zip(decisions, beyond, within, strict=True)
        for n in [len(decisions)]
    ]


def _corrected(decision: Decision, family: int, level: float) -> Decision:
    """The corrected word; the outlook of an undecided one is that of Bonferroni's level."""
    passed = {
        BETTER: decision.p_adjusted,
        WORSE: decision.p_adjusted,
        EQUIVALENT: decision.p_equivalent_adjusted,
    }
    p = passed.get(decision.alone, 0.0)
    if p <= 1 - level and decision.alone != UNDECIDED:
        return decision
    stricter = decision._replace(
        word=UNDECIDED, needed=needed_of(decision, 1 - (1 - level) / family)
    )
    if decision.alone == UNDECIDED:
        return stricter._replace(reason=reason_of(stricter))
    return stricter._replace(
        reason=f"{decision.alone} alone, but not after the correction for {family} comparisons "
        f"(p = {p:.2g}); {outlook(stricter)}"
    )
