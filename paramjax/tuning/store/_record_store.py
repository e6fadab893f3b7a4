"""Where outcomes are kept: in memory, or in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from paramjax.populations._outcome import Outcome, Summary


class RecordStore(Protocol):
    """Keeps outcomes by trial and seed; the latest of a training replaces those before."""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep some, all of them or none."""

    def get(self, trial: int, seed: int) -> Outcome:
        """The latest one."""

    def summaries(self) -> dict[tuple[int, int], Summary]:
        """(trial, seed) -> what is known of the training without its arrays."""

    def reached(self) -> dict[tuple[int, int], int]:
        """(trial, seed) -> the rung that it reached, in steps."""

    def notes(self) -> dict[str, Any]:
        """What was noted so far."""

    def note(self, notes: Mapping[str, Any]) -> None:
        """Note things beside the trainings, name -> JSON value."""

    def close(self) -> None:
        """Free what it takes."""


class MemoryStore:
    """A record_store in memory."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], Outcome] = {}
        self._notes: dict[str, Any] = {}

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep some."""
        self._kept |= {(o.record.trial, o.record.seed): o for o in outcomes}

    def get(self, trial: int, seed: int) -> Outcome:
        """The latest one."""
        return self._kept[trial, seed]

    def summaries(self) -> dict[tuple[int, int], Summary]:
        """(trial, seed) -> what is known of the training without its arrays."""
        return {which: outcome.summary for which, outcome in self._kept.items()}

    def reached(self) -> dict[tuple[int, int], int]:
        """(trial, seed) -> the rung that it reached, in steps."""
        return {which: outcome.reached for which, outcome in self._kept.items()}

    def notes(self) -> dict[str, Any]:
        """What was noted so far."""
        return dict(self._notes)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Note things beside the trainings."""
        self._notes |= notes

    def close(self) -> None:
        """Forget all."""
        self._kept.clear()
