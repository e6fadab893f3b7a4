"""What a stopping rule is, and what its implementations share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from paramjax._checks import check_count, describe


class Schedule(NamedTuple):
    """When trials are judged, and which go on.

    Attributes:
        rungs: Increasing numbers of steps, from 1 to fewer than those of a run, at which trials
            are judged.
        keep: `(step, scores) -> trials`. Scores are trial number -> its scores at each rung so
            far, the smaller the better and infinite for what diverged, of the trials that were
            not stopped before; the trials that go on are returned.
    """

    rungs: tuple[int, ...]
    keep: Callable[[int, Mapping[int, Sequence[float]]], list[int]]


Stopping = Callable[[int, int], Schedule]
"""`(trials, steps) -> schedule`."""


def best(scores: Mapping[int, Sequence[float]], count: int) -> list[int]:
    """The trials with the smallest last score, without those that are not finite."""
    finite = [trial for trial, own in scores.items() if math.isfinite(own[-1])]
    return sorted(sorted(finite, key=lambda trial: (scores[trial][-1], trial))[:count])


def check_reduction(rule: str, reduction: Any) -> None:
    """Raise unless the factor is a number above 1, so that it stops some trials."""
    if isinstance(reduction, bool) or not isinstance(reduction, int | float):
        raise TypeError(f"{rule}: reduction: expected a number above 1, got {describe(reduction)}")
    if not 1 < reduction < math.inf:
        raise ValueError(f"{rule}: reduction: expected a number above 1, got {reduction}")


def check_steps(rule: str, name: str, value: Any) -> None:
    """Raise unless the number of steps is a positive whole number or None."""
    if value is not None:
        check_count(f"{rule}: {name}", value)


def check_fewer(rule: str, name: str, value: int, steps: int) -> None:
    """Raise unless a run reaches the first rung before its end."""
    if value >= steps:
        raise ValueError(
            f"{rule}: {name}: expected fewer than the {steps} steps of a run, got {value}"
        )
