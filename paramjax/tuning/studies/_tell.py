"""What a study is told of the trials it was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from paramjax.populations._trial_run import Record, mean_or_worst

if TYPE_CHECKING:
    import optuna


def tell(
    study: optuna.Study, trial: optuna.Trial, records: Sequence[Record], metrics: Sequence[str]
) -> bool:
    """Tell a study how a trial did: the mean over its seeds of each metric.

    A trial that lost a seed, or has a mean that is not finite, is told as pruned: a study counts
    an infinite value as complete. With several objectives nothing can be pruned, and it is told
    as failed.
    """
    from optuna.trial import TrialState

    for name, value in _attributes(records).items():
        trial.set_user_attr(name, value)
    values = [mean_or_worst([record.metrics[name] for record in records]) for name in metrics]
    lost = any(record.diverged_step is not None for record in records)
    if not lost and all(map(math.isfinite, values)):
        return _finished(study, trial, values=values)
    return _finished(
        study, trial, state=TrialState.PRUNED if len(metrics) == 1 else TrialState.FAIL
    )


def abandon(study: optuna.Study, trials: Iterable[optuna.Trial]) -> None:
    """Tell a study that trials have failed, unless they have been told of."""
    from optuna.trial import TrialState

    for trial in trials:
        _finished(study, trial, state=TrialState.FAIL, skip_if_finished=True)


def _attributes(records: Sequence[Record]) -> dict[str, Any]:
    """What is kept of each seed, as JSON that knows no NaN."""
    seeds = {
        name: [_number(record.metrics[name]) for record in records] for name in records[0].metrics
    }
    status = [str(record.status) for record in records]
    return {"seeds": seeds, "status": status, "diverged_step": [r.diverged_step for r in records]}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finished(study: optuna.Study, trial: optuna.Trial, **outcome: Any) -> bool:
    """Tell; a sampler that has nothing left to try stops the study once that is stored."""
    try:
        study.tell(trial, **outcome)
    except RuntimeError as error:
        # a grid calls it after its last trial, and outside of Study.optimize it raises
        if "Study.stop" not in str(error):
            raise
        return False
    return True
