"""How an estimation ended: one enum for single fits and for many at once."""

from __future__ import annotations

import enum

import numpy as np


class Outcome(enum.StrEnum):
    """How an estimation ended; each member equals its text.

    Attributes:
        CONVERGED: No step lowers the objective any more, to the precision of its numbers.
        AT_BOUND: It converged, and at least one parameter lies on one of its bounds.
        SINGULAR: It converged, but the data do not determine every parameter: some do not
            enter, or move together.
        SEPARATED: The likelihood has no maximum: a combination of columns separates the
            classes, so that some parameters grow without end.
        STUCK: No damping lowers the objective, and its gradient is not zero.
        UNFINISHED: The largest number of iterations came first.
        NONFINITE: The objective is not finite at the start, or wherever the steps lead.

    Example:
        >>> Outcome("at a bound") is Outcome.AT_BOUND, Outcome.CONVERGED == "converged"
        (True, True)
    """

    UNFINISHED = "unfinished"
    CONVERGED = "converged"
    AT_BOUND = "at a bound"
    SINGULAR = "singular"
    SEPARATED = "separated"
    STUCK = "stuck"
    NONFINITE = "not finite"

    def __repr__(self) -> str:
        """Show the text alone, so that a printed record stays short."""
        return repr(self.value)

    @property
    def code(self) -> np.int8:
        """The number that stands for it on the device."""
        return np.int8(list(Outcome).index(self))


def outcome_of(code: int) -> Outcome:
    """The outcome that a number on the device stands for.

    Example:
        >>> outcome_of(Outcome.STUCK.code)
        'stuck'
    """
    return list(Outcome)[int(code)]
