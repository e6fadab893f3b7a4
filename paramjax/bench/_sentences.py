"""A verdict in words: what differs, by how much, beyond or within which margin, on what budget."""

from __future__ import annotations

import math
from typing import NamedTuple

from paramjax._format import number
from paramjax.bench.statistics import BETTER, EQUIVALENT, UNDECIDED, WORSE, Decision

_SHARES = {"accuracy", "error", "f1", "precision", "recall"}


class Unit(NamedTuple):
    """How differences of a metric are spoken of.

    Attributes:
        scale: What a difference is multiplied with.
        name: The unit after the number, or empty.
    """

    scale: float
    name: str

    def text(self, value: float, *, sign: bool = False) -> str:
        """A difference: points to two decimals, other units to three digits.

        Example:
            >>> unit_of("accuracy").text(0.0056), unit_of("loss").text(-0.00321, sign=True)
            ('0.56', '−0.00321')
        """
        if not math.isfinite(value):
            return "unknown"
        shown = f"{value * self.scale:.2f}" if self.scale > 1 else number(value, 3)
        return ("+" if sign and value > 0 else "") + shown.replace("-", "\N{MINUS SIGN}")


def unit_of(metric: str) -> Unit:
    """Points for shares such as an accuracy, the metric's own units otherwise."""
    return Unit(100.0, "points") if metric in _SHARES else Unit(1.0, "")


def sentence(
    optimizer: str, baseline: str, workload: str, metric: str, margin: float, decision: Decision,
    trials: int,
) -> str:  # fmt: skip
    """One verdict in words.

    Example:
        >>> import numpy as np
        >>> from paramjax.bench.statistics import decide
        >>> scores = np.arange(6) / 100 + 0.9
        >>> decision = decide(scores, scores, margin=0.005, maximise=True)
        >>> sentence("mine", "adam", "digits", "accuracy", 0.005, decision, 6)
        'mine is within 0.50 points of adam in test accuracy on digits, after 6 trials of tuning.'
    """
    unit = unit_of(metric)
    words = f"{unit.text(margin)} {unit.name}".strip()
    after = f"after {trials} trial{'' if trials == 1 else 's'} of tuning"
    here = decision.fixed_interval == decision.interval != decision.varied_interval
    rows = "the very rows of " if here else ""
    where = f"in test {metric} on {rows}{workload}, {after}"
    if decision.word == EQUIVALENT:
        return f"{optimizer} is within {words} of {baseline} {where}."
    if decision.word in (BETTER, WORSE):
        return (
            f"{optimizer} is {decision.word} than {baseline} {where}: {_by(decision, unit)}, "
            f"beyond the margin of {words}."
        )
    assert decision.word == UNDECIDED
    alone = "" if decision.alone == UNDECIDED else f" ({decision.alone} if it were the only one)"
    return (
        f"{optimizer} against {baseline} is undecided{alone} {where}: {_by(decision, unit)}, "
        f"margin {words}; {decision.reason}."
    )


def _by(decision: Decision, unit: Unit) -> str:
    """The difference with its interval, or the pairs won if runs were lost."""
    if decision.method != "student":
        return (
            f"{decision.wins} of {decision.replicates} pairs won, {decision.losses} lost, with "
            f"{decision.lost} runs of its own lost and {decision.lost_baseline} of the baseline"
        )
    low, high = (unit.text(end, sign=True) for end in decision.interval)
    difference = f"{unit.text(decision.difference, sign=True)} {unit.name}".strip()
    return f"{difference} [{low}, {high}]"
