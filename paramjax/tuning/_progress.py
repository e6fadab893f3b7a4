"""Progress of a population: steps and runs done, and the best score so far."""

from __future__ import annotations

import math
from collections.abc import Iterable

from paramjax.populations._trial_run import Record
from paramjax.runs._progress import Progress


class PopulationProgress:
    """Counts the steps of all runs for a `Progress`, and knows the best value of `metric`."""

    def __init__(
        self,
        progress: Progress,
        runs: int,
        steps: int,
        metric: str | None = None,
        maximise: bool = False,
    ) -> None:
        self._progress, self._metric = progress, metric
        self._better = max if maximise else min
        self._runs, self._steps, self._total = runs, steps, runs * steps
        self._done = self._ended = 0
        self._best: float | None = None

    def advance(self, runs: int, first: int, end: int, records: Iterable[Record]) -> None:
        """Show that `runs` runs went from step `first` to step `end`, with these records."""
        self._done += runs * (end - first)
        self._ended += runs * (end == self._steps)
        values = [record.metrics.get(self._metric or "", math.nan) for record in records]
        known = [*([] if self._best is None else [self._best]), *filter(math.isfinite, values)]
        self._best = self._better(known, default=None)
        self._show()

    def stop(self, runs: int, step: int) -> None:
        """Show that `runs` runs were stopped at a step."""
        self._total -= runs * (self._steps - step)
        self._ended += runs
        self._show()

    def _show(self) -> None:
        fields: dict[str, float | str] = {"runs": f"{self._ended}/{self._runs}"}
        if self._best is not None:
            fields[f"best {self._metric}"] = self._best
        self._progress.update(self._done, fields, self._total)
