"""Which trial an optimizer is reported with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from paramjax._status import Status
from paramjax.bench._rows import Training
from paramjax.populations._trial_run import TrialRun

_OUTER = 0.1
"""Share of a range that counts as its edge."""


def by_trial(trainings: Sequence[Training]) -> dict[int, list[Training]]:
    """Trainings grouped by their trial, in order."""
    groups: dict[int, list[Training]] = {}
    for training in trainings:
        groups.setdefault(training.trial, []).append(training)
    return groups


def best_trial(tuning: Sequence[Training], *, maximise: bool) -> TrialRun:
    """The trial with the best mean over its tuning seeds; a lost training loses to any other.

    A training that diverged but kept a finite metric competes with that metric.

    Example:
        >>> rows = [
        ...     Training(0, 0, {"learning_rate": 0.1}, "finished", None, 0.5, {}),
        ...     Training(1, 0, {"learning_rate": 9.0}, "diverged", 3, math.nan, {}),
        ... ]
        >>> best_trial(rows, maximise=True).trial
        0
    """
    sign = -1.0 if maximise else 1.0

    def rank(trainings: list[Training]) -> tuple[int, float, int]:
        values = [sign * t.value for t in trainings if math.isfinite(t.value)]
        lost = len(trainings) - len(values)
        return lost, sum(values) / max(1, len(values)), trainings[0].trial

    first = min(by_trial(tuning).values(), key=rank)[0]
    return TrialRun(first.trial, first.seed, first.hyperparameters)


def diverged_trials(tuning: Sequence[Training]) -> int:
    """How many trials diverged with at least one of their tuning seeds."""
    groups = by_trial(tuning).values()
    return sum(any(t.status == Status.DIVERGED for t in group) for group in groups)


def edges(tuning: Sequence[Training], trial: int, space: dict[str, dict[str, Any]]) -> list[str]:
    """The hyperparameters of a trial that lie at an edge of their range.

    At an edge means in the outer tenth of the range, with no other trial beyond. A best
    trial there says that the range may have been too narrow. Choices and single values have
    no edge.

    Example:
        >>> rows = [Training(t, 0, {"a": a}, "", None, 0.0, {}) for t, a in enumerate((0.02, 0.5))]
        >>> edges(rows, 0, {"a": {"low": 0.0, "high": 1.0, "logarithmic": False}})
        ['a (low)']
    """
    trials = {t.trial: t.hyperparameters for t in tuning}
    found = []
    for name, entry in space.items():
        if "low" not in entry or entry["low"] == entry["high"]:
            continue
        values = [hyperparameters[name] for hyperparameters in trials.values()]
        chosen = trials[trial][name]
        scale = math.log if entry["logarithmic"] else float
        low, high = scale(entry["low"]), scale(entry["high"])
        position = (scale(chosen) - low) / (high - low)  # from 0 at the low end to 1
        if position < _OUTER and chosen == min(values):
            found.append(f"{name} (low)")
        elif position > 1 - _OUTER and chosen == max(values):
            found.append(f"{name} (high)")
    return found
