"""One comparison's verdict, as a record."""

from __future__ import annotations

from typing import NamedTuple


class Decision(NamedTuple):
    """An optimizer compared with the baseline over paired replicates.

    Differences are optimizer minus baseline in the metric's own units, over the pairs in
    which no run was lost. A pair is won if the optimizer is ahead by more than the margin or
    only the baseline's run is lost, and lost the other way round; the rest are ties.

    Attributes:
        word: `better`, `worse`, `equivalent` or `undecided`; after `adjust` the corrected one.
        alone: The word without a correction for many comparisons.
        on_these_rows: The uncorrected word with the factor 1/K: about the rows of this data set
            alone, and not about others like them.
        difference: Mean difference; NaN if every pair has a lost run.
        interval: Student's interval at `level`, with the variance factor that decided.
        fixed_interval: The same with the factor 1/K: about the rows of this data set alone.
        varied_interval: The same with the factor of varied splits (Nadeau and Bengio, 2003): about
            other rows like them. Both are `interval` on a fixed split.
        equivalence_interval: Student's interval at `2 level - 1`, for equivalence.
        p_value: Two-sided, of a difference beyond the margin, by `method`.
        p_equivalent: Of a difference within the margin, by two one-sided tests.
        p_sign_flip: The exact test that a verdict must pass as well: sign flips of the
            differences moved by the margin, or the plain sign test if runs were lost.
        p_adjusted: `p_value` after Holm's correction; the same until `adjust`.
        p_equivalent_adjusted: `p_equivalent` after Holm's correction.
        method: `student` or `sign test`.
        factor: The variance factor c that decided.
        replicates: Number of pairs.
        wins: Pairs won.
        losses: Pairs lost.
        ties: Pairs within the margin, or with both runs lost.
        lost: Runs that the optimizer lost.
        lost_baseline: Runs that the baseline lost.
        lost_both: Pairs in which both lost theirs.
        probability: Chance that the optimizer wins a pair, ties counted half.
        needed: Replicates that would probably (80 %) decide an undecided comparison; None if
            it is decided or none up to 1,000 would.
        margin: Differences up to it do not matter.
        level: Confidence level of the word.
        reason: One sentence: why this word.
    """

    word: str
    alone: str
    on_these_rows: str
    difference: float
    interval: tuple[float, float]
    fixed_interval: tuple[float, float]
    varied_interval: tuple[float, float]
    equivalence_interval: tuple[float, float]
    p_value: float
    p_equivalent: float
    p_sign_flip: float
    p_adjusted: float
    p_equivalent_adjusted: float
    method: str
    factor: float
    replicates: int
    wins: int
    losses: int
    ties: int
    lost: int
    lost_baseline: int
    lost_both: int
    probability: float
    needed: int | None
    margin: float
    level: float
    reason: str
