"""The form of a stopping rule, and checks that the rules share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

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
            "stopping: expected None or a rule such as pj.tuning.successive_halving(), with its "
            f"parentheses, got {getattr(stopping, '__name__', None) or describe(stopping)}"
        )
    return schedule


def best(scores: Mapping[int, Sequence[float]], count: int) -> list[int]:
    """The trials with the smallest finite last scores; ties go to the lower trial number."""
    finite = [trial for trial, own in scores.items() if math.isfinite(own[-1])]
    return sorted(sorted(finite, key=lambda trial: (scores[trial][-1], trial))[:count])


@dataclass(frozen=True)
class Reducing:
    """Arguments of a rule that reduces trials by a factor at each rung."""

    reduction: float = 3
    least_steps: int | None = None
    rule: ClassVar[str] = ""

    def __post_init__(self) -> None:
        message = f"{self.rule}: reduction: expected a number above 1, got "
        if isinstance(self.reduction, bool) or not isinstance(self.reduction, int | float):
            raise TypeError(message + describe(self.reduction))
        if not 1 < self.reduction < math.inf:
            raise ValueError(f"{message}{self.reduction}")
        check_steps(self.rule, "least_steps", self.least_steps)

    def check(self, steps: int) -> None:
        """Raise unless a run has more than the least steps."""
        if self.least_steps is not None:
            check_fewer(self.rule, "least_steps", self.least_steps, steps)


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
