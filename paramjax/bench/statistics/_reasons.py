"""Why a comparison has its word, in one sentence, and how many replicates would change it."""

from __future__ import annotations

import numpy as np
from scipy import special

from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import EQUIVALENT, UNDECIDED, guard_level
from paramjax.bench.statistics._needed import (
    FEWEST_REPLICATES,
    MOST_REPLICATES,
    pairs_needed,
    replicates_needed,
)

SIGNS = "sign test"


def needed_of(decision: Decision, level: float) -> int | None:
    """Replicates that would probably decide it at this level; None if it may not be decided."""
    if decision.replicates < 2 or _barred(decision):
        return None
    if decision.method == SIGNS:
        most = max(decision.wins, decision.losses)
        return pairs_needed(most, decision.replicates - decision.lost_both, level=level)
    count = decision.replicates
    low, high = decision.fixed_interval
    quantile = float(special.stdtrit(count - 1, (1 + decision.level) / 2))
    return replicates_needed(
        decision.difference,
        (high - low) / 2 / quantile * float(np.sqrt(count)),
        margin=decision.margin,
        variance_ratio=decision.factor - 1 / count,
        level=level,
    )


def reason_of(decision: Decision) -> str:
    """The sentence for an uncorrected word."""
    if decision.replicates < 2:
        return (
            "one replicate cannot show its own spread: take two or more, and at least "
            f"{FEWEST_REPLICATES} for better or worse"
        )
    if decision.alone == UNDECIDED:
        return f"{_undecided(decision)}; {_same_rows(decision)}{outlook(decision)}"
    if decision.alone == EQUIVALENT:
        return f"the {_percent(2 * decision.level - 1)} interval lies within the margin"
    if decision.method == SIGNS:
        return (
            f"runs were lost, so the sign test decides: {_counts(decision)} "
            f"(p = {decision.p_value:.2g})"
        )
    return (
        f"the {_percent(decision.level)} interval lies beyond the margin, and the sign-flip "
        f"test agrees (p = {decision.p_sign_flip:.2g})"
    )


def outlook(decision: Decision) -> str:
    """What more replicates would bring."""
    if _barred(decision):
        return "more replicates help only if they lose no more runs than the baseline's"
    many = _many_splits(decision)
    if decision.needed is None:
        why = ": splits of the rows differ too much, more rows might" if many else ""
        return f"no number of replicates up to {MOST_REPLICATES:,} would probably decide it{why}"
    return f"about {decision.needed} replicates would probably decide it"


def _same_rows(decision: Decision) -> str:
    """What holds for the rows of this data set, if that is more."""
    word = decision.on_these_rows
    if UNDECIDED in (word, decision.alone) and word != decision.alone:
        return f"on these very rows it is {word}, but other rows like them may differ; "
    return ""


def _undecided(decision: Decision) -> str:
    beyond = decision.p_value <= 1 - decision.level
    if decision.method == SIGNS and _barred(decision):
        return (
            f"it lost {decision.lost} runs and the baseline {decision.lost_baseline}, "
            "so it cannot be better"
        )
    if decision.method == SIGNS:
        return (
            f"runs were lost, so the sign test decides, and {_counts(decision)} may be chance "
            f"(p = {decision.p_sign_flip:.2g})"
        )
    if beyond and decision.replicates < FEWEST_REPLICATES:
        least = 2.0 ** (1 - decision.replicates)
        return (
            f"the interval lies beyond the margin, but with {decision.replicates} replicates "
            f"the sign-flip test cannot go below {_percent(least)}"
        )
    if beyond:
        return (
            "the interval lies beyond the margin, but the sign-flip test disagrees "
            f"(p = {decision.p_sign_flip:.2g}, more than {guard_level(decision.level):.2g})"
        )
    return f"the {_percent(decision.level)} interval reaches across the margin"


def _barred(decision: Decision) -> bool:
    """Whether it is ahead but lost more runs than the baseline."""
    return decision.lost > decision.lost_baseline and decision.wins > decision.losses


def _many_splits(decision: Decision) -> bool:
    return decision.factor > 1.001 / decision.replicates


def _counts(decision: Decision) -> str:
    won, lost, all_pairs = decision.wins, decision.losses, decision.replicates
    return f"{won} of {all_pairs} pairs won, {lost} lost"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
