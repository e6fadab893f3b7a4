"""The median rule: stop trials that are worse than the median of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramjax.tuning.stopping._schedule import Schedule, check_fewer, check_steps


@dataclass(frozen=True)
class MedianStopping:
    """The rule of `median_stopping`.

    Attributes:
        first: Steps before the first rung; None for a tenth of a run.
        every: Steps between rungs; None for a tenth of a run.
    """

    first: int | None = None
    every: int | None = None

    def __post_init__(self) -> None:
        check_steps("median_stopping", "first", self.first)
        check_steps("median_stopping", "every", self.every)

    def __call__(self, trials: int, steps: int) -> Schedule:
        """The schedule of a sweep with these numbers of trials and steps."""
        del trials
        tenth = max(1, steps // 10)
        first, every = self.first or tenth, self.every or tenth
        if self.first is not None:
            check_fewer("median_stopping", "first", first, steps)
        return Schedule(tuple(range(first, steps, every)), _keep)


def median_stopping(first: int | None = None, every: int | None = None) -> MedianStopping:
    """Stop a trial whose best score is worse than the median of the others' averages.

    A trial is stopped at a rung if the best of its scores so far is strictly worse than the
    median of the other trials' averages over the rungs so far (Golovin et al., 2017, Google
    Vizier: a service for black-box optimization, section 3.2.2). Diverged trials are stopped.

    Args:
        first: Steps before the first rung, positive and fewer than those of a run; None for a
            tenth of a run.
        every: Steps between rungs, positive; None for a tenth of a run.

    Returns:
        A rule for `sweep(..., stopping=)`.

    Raises:
        TypeError: If an argument is not a whole number.
        ValueError: If an argument is less than 1; for too large `first`, when the rule is called.

    Example:
        >>> schedule = median_stopping()(3, 40)
        >>> schedule.rungs[:3], schedule.keep(8, {0: [3.0, 1.0], 1: [4.0, 4.0], 2: [2.0, 2.0]})
        ((4, 8, 12), [0, 2])
    """
    return MedianStopping(first, every)


def _keep(step: int, scores: Mapping[int, Sequence[float]]) -> list[int]:
    import statistics

    del step
    going = {trial: own for trial, own in scores.items() if math.isfinite(own[-1])}
    averages = {trial: statistics.fmean(own) for trial, own in going.items()}
    kept = []
    for trial, own in going.items():
        others = [average for other, average in averages.items() if other != trial]
        if not others or min(own) <= statistics.median(others):
            kept.append(trial)
    return sorted(kept)
