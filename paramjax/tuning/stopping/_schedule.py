"""What a rule of early stopping is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


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
