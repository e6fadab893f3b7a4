"""From paired scores to one of four words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import LEVEL, UNDECIDED, Evidence, guard_p, weigh
from paramjax.bench.statistics._interval import Array, variance_factor
from paramjax.bench.statistics._reasons import SIGNS, needed_of, reason_of


def decide(
    scores: Any,
    baseline_scores: Any,
    *,
    margin: float,
    maximise: bool,
    variance_ratio: float = 0.0,
    these_rows: bool = False,
    level: float = LEVEL,
) -> Decision:
    r"""Compare an optimizer with the baseline by paired replicates of the whole search.

    With the mean $\bar d$ and standard deviation s of the K paired differences, Student's
    interval is
    $$\bar d \pm t_{K-1}\,s\sqrt{c}, \qquad c = 1/K + n_\text{test}/n_\text{learn}$$
    where the second term of c counts only if every replicate has its own split. *Better* or
    *worse*: the interval at `level` lies beyond the margin, and the exact sign-flip test of
    the differences moved by the margin has p at most 5 % (which takes six replicates).
    *Equivalent*: the interval at `2 level - 1` lies within the margin. Else *undecided*.

    A lost run has no score and gets none: its pair is lost by its side, and if there is
    such a pair the sign test decides in Student's place, in which pairs within the margin
    count against a verdict. Who lost more runs than the baseline is never better; who lost
    another number of runs is never equivalent.

    Args:
        scores: The optimizer's score in each replicate, [replicates]; NaN where it was lost.
        baseline_scores: Those of the baseline, in the same order.
        margin: Differences up to it do not matter; 0 or more, in the metric's units.
        maximise: Whether a larger score is better.
        variance_ratio: Test rows divided by learned rows if each replicate has its own
            split, 0 on a fixed one.
        these_rows: Whether the verdict is about the rows of this data set alone, decided with the
            factor 1/K although the split varies: given the rows, replicates are independent.
        level: Confidence level, in (0.5, 1); that of the look in sequential mode.

    Returns:
        The decision, uncorrected: `adjust` corrects a family of them.

    Raises:
        ValueError: If the scores are no arrays of one length, or an argument is out of range.

    Source: Student (1908); Nadeau and Bengio (2003), equation 9; Schuirmann (1987) and
    Lakens (2017) for equivalence; Fisher (1935), section 21, for sign flips.

    Example:
        >>> base = [0.91, 0.90, 0.92, 0.89, 0.91, 0.90]
        >>> found = decide([s + d for s, d in zip(base, [.03, .02, .03, .04, .02, .03])],
        ...                base, margin=0.005, maximise=True)
        >>> found.word, round(found.difference, 3), found.wins
        ('better', 0.028, 6)
        >>> decide(base, base, margin=0.005, maximise=True).word
        'equivalent'
    """
    mine, other = _scores(scores, "scores"), _scores(baseline_scores, "baseline_scores")
    if mine.shape != other.shape:
        raise ValueError(
            f"decide: expected as many scores as baseline_scores, got {mine.size} and "
            f"{other.size}; a lost run counts as NaN"
        )
    _check(margin, variance_ratio, level)
    evidence = weigh(
        mine[None],
        other[None],
        margin=margin,
        maximise=maximise,
        variance_ratio=0.0 if these_rows else variance_ratio,
        level=level,
    )
    decision = _decision(
        evidence, 1 if maximise else -1, margin, variance_ratio, level, these_rows=these_rows
    )
    if variance_ratio and not these_rows:
        same = weigh(
            mine[None], other[None], margin=margin, maximise=maximise, variance_ratio=0.0,
            level=level,
        )  # fmt: skip
        decision = decision._replace(on_these_rows=str(same.words[0]))
    if decision.word == UNDECIDED:
        decision = decision._replace(needed=needed_of(decision, level))
    return decision._replace(reason=reason_of(decision))


def _decision(
    evidence: Evidence, sign: int, margin: float, variance_ratio: float, level: float, *,
    these_rows: bool,
) -> Decision:  # fmt: skip
    """The first comparison as a record, without its reason."""
    counts = {name: int(count[0]) for name, count in evidence.pairs._asdict().items()}
    del counts["level"]
    replicates = evidence.gains.shape[-1]
    ties = replicates - counts["wins"] - counts["losses"]
    finite = int(evidence.student.freedom[0]) + 1
    factor = float(variance_factor(finite, 0.0 if these_rows else variance_ratio))
    varied = float(variance_factor(finite, variance_ratio))
    p_value, p_equivalent = float(evidence.p_value[0]), float(evidence.p_equivalent[0])
    word = str(evidence.words[0])
    return Decision(
        word=word,
        alone=word,
        on_these_rows=word,
        difference=sign * float(evidence.student.mean[0]),
        interval=_interval(evidence, sign, level),
        fixed_interval=_interval(evidence, sign, level, 1 / math.sqrt(max(finite, 1) * factor)),
        varied_interval=_interval(evidence, sign, level, math.sqrt(varied / factor)),
        equivalence_interval=_interval(evidence, sign, 2 * level - 1),
        p_value=p_value,
        p_equivalent=p_equivalent,
        p_sign_flip=guard_p(evidence, 0, margin),
        p_adjusted=p_value,
        p_equivalent_adjusted=p_equivalent,
        method=SIGNS if evidence.by_signs[0] else "student",
        factor=factor,
        replicates=replicates,
        ties=ties,
        probability=(counts["wins"] + ties / 2) / replicates,
        needed=None,
        margin=float(margin),
        level=level,
        reason="",
        **counts,
    )


def _interval(
    evidence: Evidence, sign: int, level: float, factor: float = 1.0
) -> tuple[float, float]:
    low, high = evidence.student.interval(level, factor)
    ends = sorted((sign * float(low[0]), sign * float(high[0])))
    return ends[0], ends[1]


def _scores(values: Any, name: str) -> Array:
    """The scores as an array in which whatever is not finite is NaN."""
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(
            f"decide: expected {name} of shape [replicates], at least one, got shape "
            f"{scores.shape}; give one score a replicate, NaN where the run was lost"
        )
    return np.where(np.isfinite(scores), scores, np.nan)


def _check(margin: float, variance_ratio: float, level: float) -> None:
    for name, value in {"margin": margin, "variance_ratio": variance_ratio}.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(
                f"decide: expected a finite {name} of 0 or more, got {value}; "
                "give it in the units of the metric"
                if name == "margin"
                else f"decide: expected a finite {name} of 0 or more, got {value}; it is "
                "test rows divided by learned rows, 0 on a fixed split"
            )
    if not 0.5 < level < 1:
        raise ValueError(f"decide: expected level in (0.5, 1), got {level}; 0.95 is usual")
