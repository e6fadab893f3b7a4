"""One training: its hyperparameters and seed, its segments of steps, its record and status."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from paramjax._status import Status


class TrialRun(NamedTuple):
    """A training to run: one trial with one seed.

    Attributes:
        trial: Number of the trial, from 0.
        seed: Number of the seed, which names the initial parameters and the order of batches.
        hyperparameters: The trial's hyperparameters, name -> value.
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]


class Record(NamedTuple):
    """How a training ended.

    Attributes:
        trial: Number of the trial, from 0.
        seed: Number of the seed.
        hyperparameters: The trial's hyperparameters, name -> value.
        status: `finished`, `worsened`, `diverged` or `stopped`. A training has diverged if a step
            lost it, or if a metric or a parameter to evaluate is not finite. It has worsened if
            it is finite and its loss rose: the mean over the last tenth of the steps exceeds
            every loss of the first half. That is only said: wherever something is decided, it is
            finished.
        diverged_step: The step, from 0, that lost it: the first whose loss or gradient norm is not
            finite, unless a hook such as `skip_nonfinite` guards the steps, or after which
            parameters are not finite. None if there is none.
        metrics: Name -> last value. Without an evaluation, the means of the step metrics over the
            last tenth of the steps.
        curve: Name -> values at the steps listed under `step`, NaN from `diverged_step` on;
            `train_loss` is the mean loss since the evaluation before.
        steps: Steps that were trained.
        fold: The fold that was held out, in a sweep with folds; else None.

    Example:
        >>> record = Record(
        ...     0, 2, {"learning_rate": 0.1}, Status.FINISHED, None, {"loss": 0.25},
        ...     {"step": [5.0, 10.0], "train_loss": [1.0, 0.5], "loss": [0.5, 0.25]}, 10,
        ... )
        >>> str(record.status), record.metrics["loss"] == record.curve["loss"][-1]
        ('finished', True)
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]
    status: Status
    diverged_step: int | None
    metrics: dict[str, float]
    curve: dict[str, list[float]]
    steps: int
    fold: int | None = None


def status_of(losses: np.ndarray, lost: np.ndarray) -> list[tuple[Status, int | None]]:
    """Status and lost step of each training.

    Args:
        losses: Of each step, [trainings, steps].
        lost: The step that lost each training, the number of steps if none did, int[trainings].

    Returns:
        Status, and the lost step or None.
    """
    finite, end = np.isfinite(losses), losses.shape[1]
    gone, whole = lost < end, finite.all(axis=1)
    rose = np.zeros(len(losses), bool)
    rose[whole] = _rose(losses[whole])
    for index in np.flatnonzero(~whole & ~gone & finite.any(axis=1)):
        # a hook rejected the steps that were not finite, and the run went on
        rose[index] = _rose(losses[index, finite[index]][None])[0]
    kinds = np.where(gone, Status.DIVERGED, np.where(rose, Status.WORSENED, Status.FINISHED))
    return [
        (Status(kind), step if kind == Status.DIVERGED else None)
        for kind, step in zip(kinds.tolist(), lost.tolist(), strict=True)
    ]


def _rose(losses: np.ndarray) -> np.ndarray:
    """Whether the mean of the last tenth exceeds all of the first half, bool[trainings]."""
    first_half = losses[:, : max(1, losses.shape[1] // 2)]
    return np.asarray(tail_mean(losses) > first_half.max(axis=1))


def tail_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last tenth of the steps, at least one."""
    tail = values[..., -max(1, values.shape[-1] // 10) :]
    return np.asarray(np.mean(tail, axis=-1, dtype=np.float64))


def mean_or_worst(values: list[float]) -> float:
    """The mean of scores to be minimised; infinite if one of them is not finite."""
    return sum(values) / len(values) if all(map(math.isfinite, values)) else math.inf


def evaluation_steps(steps: int, evaluations: int) -> list[int]:
    """The steps after which a run is evaluated: evenly spaced, the last at the end.

    Args:
        steps: Steps of a run, positive.
        evaluations: Number of evaluations, positive; more than `steps` count as `steps`.

    Returns:
        Increasing numbers of steps, the last one `steps`.

    Example:
        >>> evaluation_steps(500, 4), evaluation_steps(7, 3)
        ([125, 250, 375, 500], [1, 4, 7])
    """
    every = -(-steps // min(evaluations, steps))
    return list(range(steps, 0, -every))[::-1]


def segments(ends: Iterable[int], first: int = 0) -> list[tuple[int, int]]:
    """The segments of steps between increasing ends, each `(first, end)`."""
    return list(itertools.pairwise([first, *sorted({end for end in ends if end > first})]))


def longest(ends: Iterable[int]) -> int:
    """Steps of the longest segment."""
    return max(end - first for first, end in segments(ends))
