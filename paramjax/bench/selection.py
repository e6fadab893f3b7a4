"""Which trial an optimizer is reported with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paramjax.bench.records import Training
from paramjax.sweep import DIVERGED, Run


def by_trial(trainings: Sequence[Training]) -> dict[int, list[Training]]:
    """Trainings grouped by their trial, in order."""
    groups: dict[int, list[Training]] = {}
    for training in trainings:
        groups.setdefault(training.trial, []).append(training)
    return groups


def best_trial(tuning: Sequence[Training], *, higher_is_better: bool) -> Run:
    """The trial with the best mean over its tuning seeds; a lost training loses to any other.

    A training that diverged but kept a finite metric competes with that metric.

    Args:
        tuning: All trainings of the tuning phase.
        higher_is_better: Direction of the metric.

    Returns:
        The trial's number and hyperparameters, with its first seed.

    Example:
        >>> rows = [
        ...     Training(0, 0, {"learning_rate": 0.1}, "finished", None, 0.5, {}),
        ...     Training(1, 0, {"learning_rate": 9.0}, "diverged", 3, math.nan, {}),
        ... ]
        >>> best_trial(rows, higher_is_better=True).trial
        0
    """
    sign = -1.0 if higher_is_better else 1.0

    def rank(trainings: list[Training]) -> tuple[int, float, int]:
        values = [sign * t.value for t in trainings if math.isfinite(t.value)]
        lost = len(trainings) - len(values)
        return lost, sum(values) / max(1, len(values)), trainings[0].trial

    first = min(by_trial(tuning).values(), key=rank)[0]
    return Run(first.trial, first.seed, first.hyperparameters)


def diverged_trials(tuning: Sequence[Training]) -> int:
    """How many trials diverged with at least one of their tuning seeds."""
    groups = by_trial(tuning).values()
    return sum(any(t.status == DIVERGED for t in group) for group in groups)


def edges(tuning: Sequence[Training], trial: int, space: dict[str, dict[str, object]]) -> list[str]:
    """The hyperparameters of a trial beyond which no other trial went.

    A best trial there says that the range may have been too narrow.

    Args:
        tuning: All trainings of the tuning phase.
        trial: The chosen trial.
        space: As the records hold it; choices have no edge.

    Returns:
        Names with the end that they lie at, such as `learning_rate (high)`.
    """
    trials = {t.trial: t.hyperparameters for t in tuning}
    found = []
    for name in (n for n, entry in space.items() if "low" in entry):
        values = sorted(hyperparameters[name] for hyperparameters in trials.values())
        mine = trials[trial][name]
        if mine in (values[0], values[-1]):
            found.append(f"{name} ({'low' if mine == values[0] else 'high'})")
    return found
