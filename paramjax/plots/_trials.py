"""The trials of a sweep as its panels draw them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from paramjax._status import Status
from paramjax.plots._scale import STOPPED_SHARE, Scale, scale_of, usual
from paramjax.populations._trial_run import Record, mean_or_worst

if TYPE_CHECKING:
    from paramjax.tuning._result import Sweep, Trial


class TrialScore(NamedTuple):
    """A trial with the mean over its seeds.

    Attributes:
        trial: Its number.
        hyperparameters: Name -> value.
        value: Mean of the metric, NaN if it is not finite for a seed.
        status: `diverged` if a seed is, else `stopped`, else `finished`.
    """

    trial: int
    hyperparameters: dict[str, Any]
    value: float
    status: str


class Picture(NamedTuple):
    """What the panels of one metric have in common.

    Attributes:
        metric: Its name.
        records: The trainings.
        trials: The trials, by number.
        best: The best trial, None where no trial has a finite mean.
        scale: The axis of the metric: for what was trained to the end, the better two thirds of
            what was stopped, and the best.
    """

    metric: str
    records: list[Record]
    trials: list[TrialScore]
    best: Trial | None
    scale: Scale


def picture(sweep: Sweep, metric: str, *, maximise: bool) -> Picture:
    """Judge the trials of a sweep.

    Args:
        sweep: Has at least one record.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.

    Returns:
        What its panels draw.

    Raises:
        ValueError: For an unknown metric, with the nearest known ones.
    """
    best: Trial | None = sweep.best(metric, maximise=maximise)
    best = best if best is not None and math.isfinite(best.value) else None
    groups: dict[int, list[Record]] = {}
    for record in sweep.records:
        groups.setdefault(record.trial, []).append(record)
    values: dict[str, list[float]] = {Status.FINISHED: [], Status.STOPPED: [], Status.DIVERGED: []}
    for record in sweep.records:
        values[ending(record, metric)].append(value_of(record, metric))
    stopped = usual(values[Status.STOPPED], STOPPED_SHARE, maximise=maximise)
    shown = [*values[Status.FINISHED], *stopped, *(best.values if best else ())]
    scale = scale_of(shown, values[Status.DIVERGED], maximise=maximise)
    trials = [_trial_score(groups[trial], metric) for trial in sorted(groups)]
    return Picture(metric, sweep.records, trials, best, scale)


def value_of(record: Record, metric: str) -> float:
    """The metric of a training, NaN where it has none."""
    return record.metrics.get(metric, math.nan)


def ending(record: Record, metric: str) -> str:
    """How a training ended, `diverged` also where the metric is not finite."""
    return record.status if math.isfinite(value_of(record, metric)) else Status.DIVERGED


def _trial_score(records: list[Record], metric: str) -> TrialScore:
    endings = {ending(record, metric) for record in records}
    status = next(s for s in (Status.DIVERGED, Status.STOPPED, Status.FINISHED) if s in endings)
    mean = mean_or_worst([value_of(record, metric) for record in records])
    value = mean if math.isfinite(mean) else math.nan
    return TrialScore(records[0].trial, records[0].hyperparameters, value, status)
