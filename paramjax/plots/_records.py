"""What a figure needs to know of trainings and search spaces, and how the trials scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from paramjax._checks import nearest
from paramjax._status import Status
from paramjax.plots._scale import STOPPED_SHARE, Scale, no_worse, scale_of, usual


class TrainingRecord(Protocol):
    """One training of a population; `result.records` of a sweep, search or your own.

    Example:
        >>> from paramjax.populations import Record
        >>> record: TrainingRecord = Record(0, 0, {}, "finished", None, {"loss": 0.5}, {}, 9)
        >>> record.metrics["loss"]
        0.5
    """

    @property
    def trial(self) -> int:
        """Number of its hyperparameters."""

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Name -> value."""

    @property
    def status(self) -> str:
        """`finished`, `worsened` (its loss rose), `stopped` (early) or `diverged`."""

    @property
    def diverged_step(self) -> int | None:
        """First step, from 0, whose loss was not finite, or None."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Name -> last value."""

    @property
    def curve(self) -> Mapping[str, Sequence[float]]:
        """`step`, `train_loss` and the metrics evaluated along the way -> values."""

    @property
    def steps(self) -> int:
        """How many steps were done."""


class Distribution(Protocol):
    """The distribution of one hyperparameter, as far as an axis needs it.

    Example:
        >>> import paramjax as pj
        >>> distribution: Distribution = pj.log_uniform(1e-3, 1.0)
        >>> distribution.logarithmic
        True
    """

    @property
    def logarithmic(self) -> bool:
        """Whether its axis is logarithmic."""

    def quantile(self, u: float) -> Any:
        """The value at probability `u` in [0, 1]."""


class TrialScore(NamedTuple):
    """A trial with its metric over the seeds.

    Attributes:
        trial: Its number.
        hyperparameters: Name -> value.
        value: Mean of the metric, NaN if one seed is not finite.
        values: The metric of each seed.
        status: `diverged` if a seed is, else `stopped` if a seed is, else `finished`, as a trial
            is whose loss rose.
    """

    trial: int
    hyperparameters: Mapping[str, Any]
    value: float
    values: tuple[float, ...]
    status: Status


class Scores(NamedTuple):
    """What all figures of one metric have in common.

    Attributes:
        metric: Its name.
        records: The trainings.
        trials: The trials, by number.
        best: The trial with the best finite mean that was not stopped early, or None.
        scale: The axis of the metric, which holds every finished training, the better two
            thirds of the stopped ones, the best, and those whose loss rose if they are no worse
            than the finished ones.
    """

    metric: str
    records: Sequence[TrainingRecord]
    trials: list[TrialScore]
    best: TrialScore | None
    scale: Scale


def score_trials(records: Sequence[TrainingRecord], metric: str, *, maximise: bool) -> Scores:
    """Mean of a metric for each trial, the best trial, and the axis for the metric."""
    if metric not in records[0].metrics:
        raise ValueError(nearest(metric, records[0].metrics, what="metric"))
    groups: dict[int, list[TrainingRecord]] = {}
    values: dict[Status, list[float]] = {status: [] for status in Status}
    for record in records:
        groups.setdefault(record.trial, []).append(record)
        values[ending(record, metric)].append(value_of(record, metric))
    trials = [_score(groups[trial], metric) for trial in sorted(groups)]
    early = {record.trial for record in records if record.status == Status.STOPPED}
    candidates = [trial for trial in trials if trial.trial not in early] or trials
    finite = [trial for trial in candidates if math.isfinite(trial.value)]
    sign = -1.0 if maximise else 1.0
    best = min(finite, key=lambda trial: sign * trial.value, default=None)
    stopped = usual(values[Status.STOPPED], STOPPED_SHARE, maximise=maximise)
    finished = values[Status.FINISHED]
    worsened = no_worse(values[Status.WORSENED], finished, maximise=maximise)
    shown = [*finished, *worsened, *stopped, *(best.values if best else ())]
    scale = scale_of(shown, values[Status.DIVERGED], maximise=maximise)
    return Scores(metric, records, trials, best, scale)


def value_of(record: TrainingRecord, metric: str) -> float:
    """The last value of a metric, NaN if it is missing."""
    return record.metrics.get(metric, math.nan)


def ending(record: TrainingRecord, metric: str) -> Status:
    """How a training ended; `diverged` also if the metric is not finite."""
    return Status(record.status) if math.isfinite(value_of(record, metric)) else Status.DIVERGED


def _score(records: Sequence[TrainingRecord], metric: str) -> TrialScore:
    endings = {ending(record, metric) for record in records}
    worst_first = (Status.DIVERGED, Status.STOPPED)
    status = next((status for status in worst_first if status in endings), Status.FINISHED)
    values = tuple(value_of(record, metric) for record in records)
    mean = sum(values) / len(values)
    value = mean if math.isfinite(mean) else math.nan
    return TrialScore(records[0].trial, records[0].hyperparameters, value, values, status)
