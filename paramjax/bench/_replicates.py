"""From the trainings of one optimizer to its replicates: the chosen trials and the scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from paramjax._status import Status
from paramjax.bench._protocol import Protocol
from paramjax.bench._results import Replicate, Training
from paramjax.populations._outcome import Summary

_OUTER = 0.1
"""Share of a range that counts as its edge."""


def trainings_of(
    summaries: Mapping[tuple[int, int], Summary], metric: str
) -> dict[tuple[int, int], Training]:
    """(trial, seed) -> its training, with the value of the metric that decides."""
    return {
        which: Training(
            record.trial, record.seed, record.hyperparameters, str(record.status),
            record.diverged_step, _finite(record.metrics.get(metric, math.nan)), record.curve,
        )
        for which, record in ((which, own.record) for which, own in sorted(summaries.items()))
    }  # fmt: skip


def replicates_of(
    trainings: Mapping[tuple[int, int], Training], protocol: Protocol, count: int, *,
    maximise: bool,
) -> list[Replicate]:  # fmt: skip
    """The first replicates of an optimizer, complete or not."""
    return [_replicate(trainings, protocol, k, maximise) for k in range(count)]


def best_trial(tuning: Sequence[Training], *, maximise: bool) -> int:
    """The trial with the best mean over its tuning seeds; a lost training loses to any other.

    A training that diverged but kept a finite metric competes with that metric.

    Example:
        >>> rows = [
        ...     Training(0, 0, {"learning_rate": 0.1}, "finished", None, 0.5, {}),
        ...     Training(1, 0, {"learning_rate": 9.0}, "diverged", 3, math.nan, {}),
        ... ]
        >>> best_trial(rows, maximise=True)
        0
    """
    sign = -1.0 if maximise else 1.0

    def rank(trial: int) -> tuple[int, float, int]:
        own = [training.value for training in tuning if training.trial == trial]
        values = [sign * value for value in own if math.isfinite(value)]
        return len(own) - len(values), sum(values) / max(1, len(values)), trial

    return min({training.trial for training in tuning}, key=rank)


def diverged_trials(replicates: Sequence[Replicate]) -> int:
    """How many trials diverged with at least one of their tuning seeds."""
    return len({t.trial for r in replicates for t in r.tuning if t.status == str(Status.DIVERGED)})


def edges(replicates: Sequence[Replicate], space: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hyperparameters that most replicates chose at one edge of their range.

    At an edge means in the outer tenth of the range. A choice there says that the range may
    have been too narrow. Choices and single values have no edge.

    Example:
        >>> tuning = [Training(0, 0, {"a": 0.02}, "finished", None, 0.0, {})]
        >>> edges([Replicate(0, tuning, 0, [], 0.0, True)],
        ...       {"a": {"low": 0.0, "high": 1.0, "logarithmic": False}})
        ['a (low)']
    """
    chosen = chosen_hyperparameters(replicates)
    counts = Counter(end for own in chosen for name in space if (end := _end(name, own, space)))
    return [end for end, count in sorted(counts.items()) if 2 * count > len(chosen)]


def chosen_hyperparameters(replicates: Sequence[Replicate]) -> list[dict[str, Any]]:
    """The hyperparameters that each complete replicate chose."""
    return [_chosen(replicate) for replicate in replicates if replicate.chosen is not None]


def _chosen(replicate: Replicate) -> dict[str, Any]:
    return next(t.hyperparameters for t in replicate.tuning if t.trial == replicate.chosen)


def _end(
    name: str, hyperparameters: Mapping[str, Any], space: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """The end of its range at which a hyperparameter lies, if it does."""
    entry = space[name]
    if name not in hyperparameters or "low" not in entry or entry["low"] == entry["high"]:
        return None
    scale = math.log if entry["logarithmic"] else float
    low, high = scale(entry["low"]), scale(entry["high"])
    position = (scale(hyperparameters[name]) - low) / (high - low)  # from 0 at the low end to 1
    if _OUTER <= position <= 1 - _OUTER:
        return None
    return f"{name} ({'low' if position < _OUTER else 'high'})"


def _replicate(
    trainings: Mapping[tuple[int, int], Training], protocol: Protocol, number: int, maximise: bool
) -> Replicate:
    seeds = protocol.tuning_seed_numbers(number)
    which = [(trial, seed) for trial in protocol.trial_numbers(number) for seed in seeds]
    tuning = [trainings[one] for one in which if one in trainings]
    if len(tuning) < len(which):
        return Replicate(number, tuning, None, [], math.nan, False)
    chosen = best_trial(tuning, maximise=maximise)
    asked = [(chosen, seed) for seed in protocol.report_seed_numbers(number)]
    report = [trainings[one] for one in asked if one in trainings]
    complete = len(report) == len(asked)
    score = sum(t.value for t in report) / len(report) if complete else math.nan
    return Replicate(number, tuning, chosen, report, score, complete)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
