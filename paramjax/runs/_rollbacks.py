"""How often a run went back, and to which step it goes back next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from paramjax.runs._nonfinite import Rollback


class Rollbacks(NamedTuple):
    """The rollbacks of a run so far.

    A retry from a checkpoint that was written behind the step that spoiled the run is in vain,
    whatever the rate: a lower one only puts the end off, by as much as the rate is lower. A
    checkpoint from which the run came no further than that is given up.

    Attributes:
        done: How often the run went back.
        fruitless: How often in a row it then came no further.
        failed: Steps done before the step that was refused last.
        target: The step to which the run went back last.

    Example:
        >>> first = Rollbacks().after(Rollback(0.5), [0, 5, 10, 15], 17, in_vain=False)
        >>> first.target
        15
        >>> first.after(Rollback(0.5), [0, 5, 10, 15], 18, in_vain=True).target
        10
        >>> first.after(Rollback(0.5), [0, 25, 30, 35], 38, in_vain=True).target
        35
    """

    done: int = 0
    fruitless: int = 0
    failed: int = 0
    target: int = 0

    @staticmethod
    def from_json(saved: int | list[int]) -> Rollbacks:
        """The fields; older versions saved only how many were done."""
        return Rollbacks(saved) if isinstance(saved, int) else Rollbacks(*saved)

    def after(
        self, rollback: Rollback, steps: Sequence[int], step: int, *, in_vain: bool
    ) -> Rollbacks | None:
        """With one rollback more; None if none is left, or none could help.

        Args:
            rollback: What the run was told about them.
            steps: Steps of the checkpoints, increasing, with 0, where each run begins.
            step: Steps done before the one that was refused.
            in_vain: Whether the state at `step` has a loss or a gradient that is not finite,
                which no rate changes.
        """
        if self.done >= rollback.attempts:
            return None
        fruitless = 0
        put_off = self.target + (self.failed - self.target) / rollback.factor + 1
        if self.done and step <= put_off:
            fruitless = self.fruitless + 1
            steps = [other for other in steps if other <= self.target]
        if in_vain:
            steps = [other for other in steps if other < step]
        if not steps:
            return None
        target = steps[max(0, len(steps) - 2**fruitless)]
        return Rollbacks(self.done + 1, fruitless, step, target)
