"""Outcomes in memory or in a file, and results read from them as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from paramjax._types import Params
from paramjax.populations._outcome import Outcome, Summary
from paramjax.populations._trial_run import Record, TrialRun


class RecordStore(Protocol):
    """Outcomes by trial and seed; the latest of a training replaces those before."""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes, all of them or none."""

    def get(self, trial: int, seed: int) -> Outcome:
        """The latest outcome of a training."""

    def summaries(self) -> dict[tuple[int, int], Summary]:
        """(trial, seed) -> the latest outcome without its arrays."""

    def reached(self) -> dict[tuple[int, int], int]:
        """(trial, seed) -> the step that the training has reached."""

    def notes(self) -> dict[str, Any]:
        """All notes, name -> value."""

    def note(self, notes: Mapping[str, Any]) -> None:
        """Add notes about the sweep, name -> JSON value."""

    def close(self) -> None:
        """Free the memory or close the file."""


class MemoryStore:
    """A record store in memory."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], Outcome] = {}
        self._notes: dict[str, Any] = {}

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes."""
        self._kept |= {(o.record.trial, o.record.seed): o for o in outcomes}

    def get(self, trial: int, seed: int) -> Outcome:
        """The latest outcome of a training."""
        return self._kept[trial, seed]

    def summaries(self) -> dict[tuple[int, int], Summary]:
        """(trial, seed) -> the latest outcome without its arrays."""
        return {which: outcome.summary for which, outcome in self._kept.items()}

    def reached(self) -> dict[tuple[int, int], int]:
        """(trial, seed) -> the step that the training has reached."""
        return {which: outcome.reached for which, outcome in self._kept.items()}

    def notes(self) -> dict[str, Any]:
        """All notes, name -> value."""
        return dict(self._notes)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Add notes about the sweep."""
        self._notes |= notes

    def close(self) -> None:
        """Forget all."""
        self._kept.clear()


class Results:
    """Results of some trainings, in the order of trials and seeds, read when asked for."""

    def __init__(
        self, record_store: RecordStore, runs: Sequence[TrialRun], steps: int, evaluations: int
    ) -> None:
        self._record_store, self._steps, self._evaluations = record_store, steps, evaluations
        self._which = sorted((run.trial, run.seed) for run in runs)

    def summaries(self) -> list[Summary]:
        """The outcome of each training without its arrays."""
        known = self._record_store.summaries()
        return [known[which] for which in self._which]

    def params(self) -> Params:
        """Parameters to evaluate, leaves [trainings, ...]."""
        first = self.outcome(*self._which[0]).params
        stacked = jax.tree.map(
            lambda leaf: np.empty((len(self._which), *leaf.shape), leaf.dtype), first
        )
        for index, outcome in enumerate(self._outcomes()):
            if _form(outcome.params) != _form(first):
                raise ValueError(
                    "params: the structures of this sweep have parameters of different shapes, "
                    "which cannot be stacked; take params_of(trial, seed)"
                )
            pairs = zip(jax.tree.leaves(stacked), jax.tree.leaves(outcome.params), strict=True)
            for whole, leaf in pairs:
                whole[index] = leaf
        return stacked

    def history(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, steps]."""
        return self._stacked("history", self._steps)

    def curve(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, evaluations]."""
        return self._stacked("curve", self._evaluations)

    def outcome(self, trial: int, seed: int) -> Outcome:
        """The outcome of one training."""
        return self._record_store.get(trial, seed)

    def in_memory(self, record: Callable[[Record], Record]) -> Results:
        """The same results without a file and without what only goes on needs."""
        kept = MemoryStore()
        kept.add(
            [own._replace(record=record(own.record), resume_state=None) for own in self._outcomes()]
        )
        runs = [TrialRun(trial, seed, {}) for trial, seed in self._which]
        return Results(kept, runs, self._steps, self._evaluations)

    def _outcomes(self) -> Iterator[Outcome]:
        """The outcomes one by one, so that those of a file are not all in memory."""
        return (self._record_store.get(*which) for which in self._which)

    def _stacked(self, name: str, length: int) -> dict[str, np.ndarray]:
        """Rows of different lengths, filled up with NaN, or with 0 if they are whole numbers."""
        stacked: dict[str, np.ndarray] = {}
        for index, outcome in enumerate(self._outcomes()):
            rows: dict[str, np.ndarray] = getattr(outcome, name)
            if not index:
                stacked = {n: _empty(len(self._which), length, row) for n, row in rows.items()}
            stacked = {n: own for n, own in stacked.items() if n in rows}
            for n, own in stacked.items():
                own[index, : len(rows[n])] = rows[n]
        return stacked


def _form(params: Params) -> str:
    return str(jax.tree.map(np.shape, params))


def _empty(trainings: int, length: int, row: np.ndarray) -> np.ndarray:
    nothing = np.nan if np.issubdtype(row.dtype, np.inexact) else 0
    return np.full((trainings, length, *row.shape[1:]), nothing, row.dtype)
