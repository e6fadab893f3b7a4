"""Everything that the trainings of a sweep left, in the order of trials and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from paramjax.sweep.budget import Budget
from paramjax.sweep.outcome import Outcome
from paramjax.sweep.runs import Run
from paramjax.sweep.store import Shelf
from paramjax.types import Params


class Results:
    """What the trainings left, read from where it is kept when it is asked for.

    Args:
        shelf: Keeps it.
        runs: The trainings.
        steps: Steps of each at most.
        points: After how many steps they were evaluated.
    """

    def __init__(
        self, shelf: Shelf, runs: Sequence[Run], steps: int, points: Sequence[int]
    ) -> None:
        self._shelf, self._steps, self._points = shelf, steps, points
        self._which = sorted((run.trial, run.seed) for run in runs)

    def outcomes(self) -> list[Outcome]:
        """One outcome a training."""
        return [self._shelf.get(*which) for which in self._which]

    def params(self) -> Params:
        """Parameters, leaves [trainings, ...].

        Raises:
            ValueError: If structures have parameters of different trees or shapes.
        """
        params = [outcome.params for outcome in self.outcomes()]
        forms = {str(jax.tree.map(np.shape, own)) for own in params}
        if len(forms) > 1:
            raise ValueError(
                "params: the structures of this sweep have parameters of different shapes, which "
                "cannot be stacked; take params_of(trial, seed)"
            )
        return jax.tree.map(lambda *leaves: np.stack(leaves), *params)

    def history(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, steps]."""
        return _stacked([outcome.history for outcome in self.outcomes()], self._steps)

    def curve(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, evaluations]."""
        return _stacked([outcome.curve for outcome in self.outcomes()], len(self._points))

    def budget(self) -> Budget:
        """What they cost."""
        outcomes = self.outcomes()
        return Budget(
            sum(outcome.record.steps for outcome in outcomes),
            sum(outcome.computed for outcome in outcomes),
            len(outcomes) * self._steps,
        )

    def outcome(self, trial: int, seed: int) -> Outcome:
        """What one training left."""
        return self._shelf.get(trial, seed)


def _stacked(rows: Sequence[dict[str, np.ndarray]], length: int) -> dict[str, np.ndarray]:
    """Rows of different lengths as arrays; what is missing is NaN, or 0 for whole numbers."""
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: np.stack([_long(row[name], length) for row in rows]) for name in names}


def _long(values: np.ndarray, length: int) -> np.ndarray:
    if len(values) == length:
        return values
    nothing = np.nan if np.issubdtype(values.dtype, np.inexact) else 0
    rest = np.full((length - len(values), *values.shape[1:]), nothing, values.dtype)
    return np.concatenate([values, rest])
