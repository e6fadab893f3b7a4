"""Corrections for many comparisons in one report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import BETTER, EQUIVALENT, UNDECIDED, WORSE
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
    return np.array(_step_down(values, np.ones_like(values)))


def adjust(decisions: Sequence[Decision]) -> list[Decision]:
    r"""Correct a family of comparisons: all optimizers on all workloads of a report.

    Holm's correction of `p_value` for better and worse, and apart from it of `p_equivalent`;
    a comparison cannot be both falsely better and falsely equivalent. In sequential mode
    comparisons stand at looks of different levels: with $\alpha_i$ the share that comparison
    i may err, Holm's factors are taken by the order of $p_i / \alpha_i$, and the corrected
    $p_i$ is held against $\alpha_i$; with one level that is Holm's correction as it is. The
    exact test stays at its own level: it guards each comparison against skew, and with six
    replicates it could pass no correction. `alone` keeps the uncorrected word.

    Args:
        decisions: What `decide` returned, each with its own level.

    Returns:
        The decisions in the same order, with corrected words, p-values and reasons.

    Source: Holm (1979).

    Example:
        >>> from paramjax.bench.statistics import decide
        >>> base = [0.91, 0.90, 0.92, 0.89, 0.91, 0.90]
        >>> near = decide([0.92, 0.93, 0.93, 0.93, 0.92, 0.94], base, margin=0.0, maximise=True)
        >>> [d.word for d in adjust([near] * 4)], near.word
        (['undecided', 'undecided', 'undecided', 'undecided'], 'better')
    """
    shares = [1 - decision.level for decision in decisions]
    beyond = _step_down([decision.p_value for decision in decisions], shares)
    within = _step_down([decision.p_equivalent for decision in decisions], shares)
    return [
        _corrected(decision._replace(p_adjusted=p, p_equivalent_adjusted=q), len(decisions))
        for decision, p, q in zip(decisions, beyond, within, strict=True)
    ]


def _step_down(p_values: Any, shares: Any) -> list[float]:
    """Holm's values, ordered by p-value over the share that each comparison may err."""
    values, shares = np.asarray(p_values, np.float64), np.asarray(shares, np.float64)
    order = np.argsort(values / shares, kind="stable")
    factors = np.arange(values.size, 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate((values / shares)[order] * factors)
    return [float(p) for p in np.minimum(corrected * shares, 1)]


def _corrected(decision: Decision, family: int) -> Decision:
    """The corrected word; the outlook of an undecided one is that of Bonferroni's level."""
    passed = {
        BETTER: decision.p_adjusted,
        WORSE: decision.p_adjusted,
        EQUIVALENT: decision.p_equivalent_adjusted,
        UNDECIDED: 1.0,
    }
    p, share = passed[decision.alone], 1 - decision.level
    if p <= share:
        return decision
    stricter = decision._replace(word=UNDECIDED, needed=needed_of(decision, 1 - share / family))
    if decision.alone == UNDECIDED:
        return stricter._replace(reason=reason_of(stricter))
    return stricter._replace(
        reason=f"{decision.alone} alone, but not after the correction for {family} comparisons "
        f"(p = {p:.2g}); {outlook(stricter)}"
    )
