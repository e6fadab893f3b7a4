"""Where a verdict errs more often than its level says, and what a report should say then."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import EQUIVALENT, UNDECIDED
from paramjax.bench.statistics._interval import Array
from paramjax.bench.statistics._needed import FEWEST_REPLICATES

SKEW = 0.5
"""Sample skewness from which a verdict is doubted; of normal differences 7 to 19 % pass it.

Below it, with 6 to 20 replicates, exponential differences err 4 % at most, lognormal ones
7.5 %, and two basins on one side 8 %: those show nothing while no replicate has fallen.
"""


class Simulated(NamedTuple):
    """Simulated errors of skewed differences, in per cent: `docs/benchmarks/verdicts.md`."""

    exponential: float
    lognormal: float


FALSE_VERDICTS = {
    6: Simulated(6.2, 10.3),
    10: Simulated(9.1, 15.8),
    20: Simulated(8.2, 12.8),
}
FALSE_EQUIVALENTS = {
    3: Simulated(17.2, 23.7),
    6: Simulated(15.2, 22.0),
    10: Simulated(13.7, 20.7),
    20: Simulated(11.1, 17.2),
}


def caution(decision: Decision, differences: Any) -> str:
    """A sentence for a verdict that may err more often than its level says, else nothing.

    Student's interval and the sign-flip test hold for differences without skew, which those
    of two equally good optimizers have. If the optimizers fail in different ways, with one
    mean, the differences are skewed, and few replicates easily miss the longer tail. So a
    verdict is doubted if the tail that was seen points against it: towards the other
    optimizer for better and worse, out of the margin for equivalent. With fewer than six
    replicates no tail can be told, and each equivalent is doubted.

    Args:
        decision: The comparison.
        differences: Its paired differences, [replicates]; NaN where a run was lost.

    Returns:
        One sentence with the simulated errors, or an empty string.

    Raises:
        ValueError: If there are not as many differences as replicates.

    Example:
        >>> from paramjax.bench.statistics import decide
        >>> gains = [1.0, 1.1, 1.0, 1.2, 1.1, 0.1]
        >>> found = decide(gains, [0.0] * 6, margin=0.0, maximise=True)
        >>> found.word, caution(found, gains)[:47]
        ('better', 'the differences have a tail against the verdict')
    """
    values = np.asarray(differences, np.float64)
    if values.shape != (decision.replicates,):
        raise ValueError(
            f"caution: expected {decision.replicates} differences, those of the decision, got "
            f"shape {values.shape}"
        )
    values = values[np.isfinite(values)]
    if decision.word == UNDECIDED or decision.method != "student":
        return ""
    outward = skewness(values) * np.sign(values.mean())
    if decision.word == EQUIVALENT and np.ptp(values) > 0:
        if values.size < FEWEST_REPLICATES:
            return f"{values.size} replicates cannot show a tail: {_rates(values, True)}"
        return _tail("out of the margin", values, True) if outward > SKEW else ""
    if decision.word == EQUIVALENT:
        return ""
    return _tail("against the verdict", values, False) if outward < -SKEW else ""


def skewness(values: Array) -> float:
    """Third moment over the third power of the standard deviation; 0 without any spread."""
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5 if variance > 0 else 0.0


def _tail(where: str, values: Array, equivalent: bool) -> str:
    return f"the differences have a tail {where}: {_rates(values, equivalent)}"


def _rates(values: Array, equivalent: bool) -> str:
    table = FALSE_EQUIVALENTS if equivalent else FALSE_VERDICTS
    count = max((k for k in table if k <= values.size), default=min(table))
    rates = table[count]
    word = "equivalent" if equivalent else "better or worse"
    return (
        f"with {count} replicates on one split a false {word} came up in "
        f"{rates.exponential:.0f} % of simulations with exponential differences and in "
        f"{rates.lognormal:.0f} % with lognormal ones, instead of 5 %"
    )
