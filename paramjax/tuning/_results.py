"""Everything that the trainings of a sweep left, in the order of trials and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from paramjax._types import Params
from paramjax.populations._outcome import Outcome, Summary
from paramjax.populations._trial_run import TrialRun
from paramjax.tuning.store._record_store import RecordStore


class Results:
    """What the trainings left, read from where it is kept when it is asked for."""

    def __init__(
        self,
        record_store: RecordStore,
        runs: Sequence[TrialRun],
        steps: int,
        evaluation_steps: Sequence[int],
    ) -> None:
        self._record_store, self._steps, self._evaluation_steps = (
            record_store,
            steps,
            evaluation_steps,
        )
        self._which = sorted((run.trial, run.seed) for run in runs)

    def summaries(self) -> list[Summary]:
        """What is known of each training without its arrays."""
        known = self._record_store.summaries()
        return [known[which] for which in self._which]

    def params(self) -> Params:
        """Parameters, leaves [trainings, ...]."""
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
            rooms, leaves = jax.tree.leaves(stacked), jax.tree.leaves(outcome.params)
            for room, leaf in zip(rooms, leaves, strict=True):
                room[index] = leaf
        return stacked

    def history(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, steps]."""
        return self._stacked("history", self._steps)

    def curve(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, evaluations]."""
        return self._stacked("curve", len(self._evaluation_steps))

    def outcome(self, trial: int, seed: int) -> Outcome:
        """What one training left."""
        return self._record_store.get(trial, seed)

    def _outcomes(self) -> Iterator[Outcome]:
        """One after the other, so that those of a file are not all in memory."""
        return (self._record_store.get(*which) for which in self._which)

    def _stacked(self, name: str, length: int) -> dict[str, np.ndarray]:
        """Rows of different lengths; what is missing is NaN, or 0 for whole numbers."""
        stacked: dict[str, np.ndarray] = {}
        for index, outcome in enumerate(self._outcomes()):
            rows: dict[str, np.ndarray] = getattr(outcome, name)
            if not index:
                stacked = {n: _room(len(self._which), length, row) for n, row in rows.items()}
            stacked = {n: own for n, own in stacked.items() if n in rows}
            for n, own in stacked.items():
                own[index, : len(rows[n])] = rows[n]
        return stacked


def _form(params: Params) -> str:
    return str(jax.tree.map(np.shape, params))


def _room(trainings: int, length: int, row: np.ndarray) -> np.ndarray:
    nothing = np.nan if np.issubdtype(row.dtype, np.inexact) else 0
    return np.full((trainings, length, *row.shape[1:]), nothing, row.dtype)
