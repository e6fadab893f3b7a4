"""What a training of a population is asked to do, and what came of it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from paramjax._status import Status


class TrialRun(NamedTuple):
    """One training to be done.

    Attributes:
        trial: Number of the hyperparameters, from 0.
        seed: Names the initial parameters and the order of batches.
        hyperparameters: Name -> value.
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]


class Record(NamedTuple):
    """One training that was done.

    Attributes:
        trial: As in its run.
        seed: As in its run.
        hyperparameters: As in its run.
        status: How it ended.
        diverged_step: The step, from 0, in which it was lost: the first whose loss was not
            finite and that was not rejected by a guard; else None.
        metrics: Name -> last value, NaN if it is missing.
        curve: Name -> values at the steps listed under `step`; NaN once it was lost.
        steps: Steps that were done.
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]
    status: Status
    diverged_step: int | None
    metrics: dict[str, float]
    curve: dict[str, list[float]]
    steps: int


def judge(losses: np.ndarray) -> list[tuple[Status, int | None]]:
    """Status of trainings from their losses."""
    finite = np.isfinite(losses)
    whole, lost = finite.all(axis=1), ~finite[:, -1]
    climbs = np.zeros(len(losses), bool)
    climbs[whole] = _climbs(losses[whole])
    for index in np.flatnonzero(~whole & ~lost):
        # a guard rejected the other steps, and the run went on
        climbs[index] = _climbs(losses[index, finite[index]][None])[0]
    end = losses.shape[1]
    since = np.where(finite.any(axis=1), end - finite[:, ::-1].argmax(axis=1), 0).tolist()
    return [
        (Status.DIVERGED if gone or climbing else Status.FINISHED, step if gone else None)
        for gone, climbing, step in zip(lost.tolist(), climbs.tolist(), since, strict=True)
    ]


def _climbs(losses: np.ndarray) -> np.ndarray:
    """Whether the last tenth lies above all of the first half, bool[trainings]."""
    return tail_mean(losses) > losses[:, : max(1, losses.shape[1] // 2)].max(axis=1)


def tail_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last tenth of the steps, at least one."""
    tail = values[..., -max(1, values.shape[-1] // 10) :]
    return np.asarray(np.mean(tail, axis=-1, dtype=np.float64))


def mean_or_worst(values: list[float]) -> float:
    """The mean of numbers to be minimised, infinite if one of them is not finite."""
    return sum(values) / len(values) if all(map(math.isfinite, values)) else math.inf
