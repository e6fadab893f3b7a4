"""The form of a stopping rule, and checks that the rules share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from paramjax._checks import check_count, describe


class Schedule(NamedTuple):
    """When trials are compared, and which of them go on.

    Attributes:
        rungs: Increasing numbers of steps after which trials are compared, from 1 to fewer than
            the steps of a run.
        keep: `(step, scores) -> trials that go on`. `scores` maps each trial that was not stopped
            before to its scores at all rungs so far, the smaller the better, infinite if it
            diverged.

    Example:
        >>> first_half = Schedule((10,), lambda step, scores: sorted(scores)[: len(scores) // 2])
        >>> first_half.keep(10, {0: [0.5], 1: [0.1], 2: [0.3], 3: [0.2]})
        [0, 1]
    """

    rungs: tuple[int, ...]
    keep: Callable[[int, Mapping[int, Sequence[float]]], list[int]]


Stopping = Callable[[int, int], Schedule]
"""`(trials, steps) -> Schedule`, a stopping rule."""


def schedule_of(stopping: Any, trials: int, steps: int) -> Schedule:
    """The schedule of a stopping rule; raise if it returns something else."""
    schedule = stopping(trials, steps) if callable(stopping) else None
    if not isinstance(schedule, Schedule):
        raise TypeError(
            "stopping: expected a rule such as pj.tuning.successive_halving(), called, or None, "
            f"got {describe(stopping)}"
        )
    return schedule


def best(scores: Mapping[int, Sequence[float]], count: int) -> list[int]:
    """The trials with the smallest finite last scores; ties go to the lower trial number."""
    finite = [trial for trial, own in scores.items() if math.isfinite(own[-1])]
    return sorted(sorted(finite, key=lambda trial: (scores[trial][-1], trial))[:count])


def check_reduction(rule: str, reduction: Any) -> None:
    """Raise unless the factor is a finite number above 1."""
    if isinstance(reduction, bool) or not isinstance(reduction, int | float):
        raise TypeError(f"{rule}: reduction: expected a number above 1, got {describe(reduction)}")
    if not 1 < reduction < math.inf:
        raise ValueError(f"{rule}: reduction: expected a number above 1, got {reduction}")


def check_steps(rule: str, name: str, value: Any) -> None:
    """Raise unless a number of steps is a positive whole number or None."""
    if value is not None:
        check_count(f"{rule}: {name}", value)


def check_fewer(rule: str, name: str, value: int, steps: int) -> None:
    """Raise unless the first rung comes before the end of a run."""
    if value >= steps:
        raise ValueError(
            f"{rule}: {name}: expected fewer than the {steps} steps of a run, got {value}"
        )
