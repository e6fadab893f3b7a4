"""What a sweep leaves: records, parameters, histories and curves of all trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from paramjax._checks import nearest
from paramjax._status import Status
from paramjax._types import Params
from paramjax.populations._outcome import Outcome
from paramjax.populations._replay import Replay
from paramjax.populations._trial_run import Record, mean_or_worst
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.space._distribution import Space
from paramjax.tuning._results import Results
from paramjax.tuning._rounds import Rung, Score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from plotly.graph_objects import Figure as PlotlyFigure


class Budget(NamedTuple):
    """What a sweep cost, in steps of single trainings.

    Attributes:
        trained: Steps that trainings did.
        computed: Steps that were computed: those of lanes that had diverged, of lanes that only
            fill a call, and those of single runs that were trained again up to a loss that was
            not finite, as well.
        full: Steps of all trainings, had each gone to the end.
    """

    trained: int
    computed: int
    full: int

    @property
    def share(self) -> float:
        """Steps trained of all there could have been."""
        return self.trained / self.full


class Trial(NamedTuple):
    """Some hyperparameters and how they did.

    Attributes:
        trial: Its number.
        hyperparameters: Name -> value.
        value: Mean of the metric over the seeds; infinite (in the bad direction) if it
            is not finite for one of them.
        values: The metric of each seed.
    """

    trial: int
    hyperparameters: dict[str, object]
    value: float
    values: tuple[float, ...]


class Sweep:
    """A population after its training.

    Attributes:
        records: One record a training, trial by trial and seed by seed.
        space: Hyperparameter name -> distribution.
        plan: How it was executed, `plan.describe()` in words.
        rungs: Where trials were judged, what they scored, and which went on.
        budget: What it cost, in steps of single trainings.
    """

    def __init__(
        self, space: Space, plan: ExecutionPlan, rungs: list[Rung], results: Results,
        replayed: Callable[[Outcome], Replay], score: Score,
    ) -> None:  # fmt: skip
        summaries = results.summaries()
        self.records = [summary.record for summary in summaries]
        self.budget = Budget(
            trained=sum(summary.record.steps for summary in summaries),
            computed=sum(summary.computed for summary in summaries),
            full=len(summaries) * plan.steps,
        )
        self.space, self.plan, self.rungs = space, plan, rungs
        self._results, self._replayed, self._score = results, replayed, score

    def __repr__(self) -> str:
        """Say how many trainings there are, and how they ended."""
        ended = {
            s: sum(r.status == s for r in self.records) for s in (Status.STOPPED, Status.DIVERGED)
        }
        counts = "".join(f", {count} {status}" for status, count in ended.items() if count)
        trials = len({record.trial for record in self.records})
        return f"<Sweep of {trials} trials, {len(self.records)} trainings{counts}>"

    @property
    def params(self) -> Params:
        """Parameters to evaluate, leaves [trainings, ...] in the order of `records`.

        Raises:
            ValueError: If the shapes differ between structures; see `params_of`.
        """
        return self._results.params()

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, steps]; NaN once a training has ended."""
        return self._results.history()

    @property
    def curve(self) -> dict[str, np.ndarray]:
        """Metric name -> [trainings, evaluations]; NaN once a training has ended."""
        return self._results.curve()

    def params_of(self, trial: int, seed: int) -> Params:
        """Parameters to evaluate of one training.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.

        Raises:
            ValueError: If there is no such training.
        """
        self._record(trial, seed)
        return self._results.outcome(trial, seed).params

    def best(self, metric: str | None = None, *, maximise: bool | None = None) -> Trial:
        """The trial with the best mean over its seeds; stopped trials are no candidates.

        Args:
            metric: A name among the records' metrics; None for the problem's metric.
            maximise: Whether larger is better; None as the problem says, of another metric than
                the problem's False.

        Returns:
            The trial; among equals the one with the smallest number.

        Raises:
            ValueError: For an unknown metric, with the nearest known ones.
        """
        metric, maximise = self._judged_by(metric, maximise)
        sign = -1.0 if maximise else 1.0
        values: dict[int, list[float]] = {}
        for record in self._ended():
            values.setdefault(record.trial, []).append(record.metrics[metric])
        scores = {trial: mean_or_worst([sign * v for v in vs]) for trial, vs in values.items()}
        trial = min(scores, key=lambda number: (scores[number], number))
        chosen = next(record for record in self.records if record.trial == trial)
        return Trial(trial, chosen.hyperparameters, sign * scores[trial], tuple(values[trial]))

    def replay(self, trial: int, seed: int) -> Replay:
        """Train one training again, alone, with its hyperparameters as plain numbers.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.

        Returns:
            What it leaves, and how far that is from what it left in the population.

        Raises:
            ValueError: If there is no such training.
        """
        self._record(trial, seed)
        return self._replayed(self._results.outcome(trial, seed))

    def _judged_by(self, metric: str | None, maximise: bool | None) -> Score:
        """Fill in what the problem says."""
        name = self._score.metric if metric is None else metric
        if name not in (known := self.records[0].metrics):
            raise ValueError(nearest(name, known, what="metric"))
        if maximise is None:
            maximise = self._score.maximise and name == self._score.metric
        return Score(name, maximise)

    def _ended(self) -> list[Record]:
        """The records of trainings that were trained as long as any."""
        stopped = {record.trial for record in self.records if record.status == Status.STOPPED}
        return [record for record in self.records if record.trial not in stopped] or self.records

    def _record(self, trial: int, seed: int) -> Record:
        for record in self.records:
            if (record.trial, record.seed) == (trial, seed):
                return record
        trials = max(record.trial for record in self.records) + 1
        seeds = max(record.seed for record in self.records) + 1
        raise ValueError(
            f"trial {trial}, seed {seed}: expected a trial from 0 to {trials - 1} and a seed from "
            f"0 to {seeds - 1}"
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a training: trial, seed, hyperparameters, how it ended, steps, metrics.

        Returns:
            A data frame; a hyperparameter that does not exist in a trial is a missing value, and
            one with the name of another column, such as `loss`, is `hyperparameter/loss`.

        Raises:
            ModuleNotFoundError: Without pandas.
        """
        from paramjax.tuning._frame import frame

        return frame(self.records, self.space)

    def plot(
        self,
        metric: str | None = None,
        *,
        maximise: bool | None = None,
        path: str | Path | None = None,
    ) -> Figure:
        """Draw the metric against each number among the hyperparameters, and learning curves.

        Args:
            metric: A name among the records' metrics; None for the problem's metric.
            maximise: Whether larger is better; None as `best` takes it.
            path: A file to save the figure to, whose suffix is the format; None saves nothing.

        Returns:
            A matplotlib figure; `paramjax.plots` has a function for each of its panels.

        Raises:
            ModuleNotFoundError: If matplotlib is missing.
            OSError: If the file cannot be written.
            ValueError: If the metric is unknown, with the nearest known ones, or the format.
        """
        from paramjax.plots import overview

        metric, maximise = self._judged_by(metric, maximise)
        return overview(
            self.records, self.space, metric, history=self.history, maximise=maximise, path=path
        )

    def parallel_coordinates(
        self, metric: str | None = None, *, maximise: bool | None = None
    ) -> PlotlyFigure:
        """Draw each trial as a line through all its hyperparameters to its score.

        Args:
            metric: A name among the records' metrics; None for the problem's metric.
            maximise: Whether larger is better; None as `best` takes it.

        Returns:
            A plotly figure, which a notebook shows; `figure.write_html("sweep.html")` writes a
            page that needs no network.

        Raises:
            ModuleNotFoundError: If plotly is missing.
            ValueError: If the metric is unknown; the message names the nearest known ones.
        """
        from paramjax.plots import parallel_coordinates

        metric, maximise = self._judged_by(metric, maximise)
        return parallel_coordinates(self.records, self.space, metric, maximise=maximise)
