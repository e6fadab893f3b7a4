"""What a sweep cost, in steps of single trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from paramjax.populations._outcome import Summary


class Budget(NamedTuple):
    """What a sweep cost, in steps of single trainings.

    Attributes:
        trained: Steps that trainings did.
        computed: Steps that were computed: those of lanes that had diverged, of lanes that only
            fill a call, and those of single runs that were trained again up to a loss that was
            not finite, as well.
        full: Steps of all trainings, had each gone to the end.
    """

    trained: int
    computed: int
    full: int

    @property
    def share(self) -> float:
        """Steps trained of all there could have been."""
        return self.trained / self.full


def budget_of(summaries: Sequence[Summary], steps: int) -> Budget:
    """What some trainings cost."""
    return Budget(
        sum(summary.record.steps for summary in summaries),
        sum(summary.computed for summary in summaries),
        len(summaries) * steps,
    )
