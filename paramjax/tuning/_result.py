"""The result of a sweep: records, parameters, histories and curves of all trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from paramjax._checks import nearest
from paramjax._status import Status
from paramjax._types import ModelState, Params
from paramjax.populations._outcome import Outcome
from paramjax.populations._replay import Replay
from paramjax.populations._trial_run import Record, mean_or_worst
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.space._distribution import Space
from paramjax.tuning._rounds import Rung, Score
from paramjax.tuning.store._record_store import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from plotly.graph_objects import Figure as PlotlyFigure


class Budget(NamedTuple):
    """The cost of a sweep, in steps of single trainings.

    Attributes:
        trained: Steps that were trained.
        computed: Steps that were computed: besides those trained, the steps of lanes that had
            diverged or only fill a call, and those computed again after a loss that was not
            finite.
        full: Steps of all trainings without early stopping and divergence.
    """

    trained: int
    computed: int
    full: int

    @property
    def share(self) -> float:
        """The steps trained, as a share of `full`."""
        return self.trained / self.full


class Trial(NamedTuple):
    """The score of a trial.

    Attributes:
        trial: Number of the trial, from 0.
        hyperparameters: Name -> value.
        value: Mean of the metric over the seeds; if one is not finite, infinite in the bad
            direction.
        values: The metric of each seed.

    Example:
        >>> Trial(3, {"learning_rate": 0.1}, value=0.5, values=(0.25, 0.75)).value
        0.5
    """

    trial: int
    hyperparameters: dict[str, object]
    value: float
    values: tuple[float, ...]


class Sweep:
    """The result of `sweep` or `search`; arrays are read when they are asked for.

    Attributes:
        records: The record of each training, trial by trial and seed by seed.
        space: Hyperparameter name -> distribution.
        plan: How the trainings were executed; `plan.describe()` says it in words.
        rungs: The decisions of a stopping rule: steps, scores and the trials that went on.
        budget: The cost, in steps of single trainings.

    Example:
        >>> import jax, jax.numpy as jnp, optax, paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> result = pj.sweep(
        ...     lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
        ...     {"rate": pj.uniform(0.0, 1.0)},
        ...     pj.Problem(init=lambda key: jnp.zeros(()), data=jnp.array([1.0, 3.0])),
        ...     trials=[{"rate": 0.1}, {"rate": 0.5}], seeds=1, steps=5, key=jax.random.key(0),
        ... )
        >>> result.best().hyperparameters, result.params.round(2).tolist()
        ({'rate': 0.5}, [1.34, 2.0])
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
        """The number of trials and trainings, and how many stopped, worsened or diverged."""
        kinds = (Status.STOPPED, Status.WORSENED, Status.DIVERGED)
        ended = {kind: sum(r.status == kind for r in self.records) for kind in kinds}
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

        Returns:
            Parameters like those of `init`.

        Raises:
            ValueError: If there is no training of this trial and seed.
        """
        self._record(trial, seed)
        return self._results.outcome(trial, seed).params

    def model_state_of(self, trial: int, seed: int) -> ModelState:
        """The model state that belongs to `params_of(trial, seed)`.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.

        Returns:
            A model state like the initial one, `()` if the model has none.

        Raises:
            ValueError: If there is no training of this trial and seed.
        """
        self._record(trial, seed)
        return self._results.outcome(trial, seed).model_state

    def best(self, metric: str | None = None, *, maximise: bool | None = None) -> Trial:
        """The trial with the best mean over its seeds, among those that were not stopped.

        Args:
            metric: Name of a metric of the records; None for the problem's metric.
            maximise: Whether larger is better; None takes `problem.maximise` for the problem's
                metric and False for others.

        Returns:
            The trial; ties go to the lower trial number.

        Raises:
            ValueError: If the metric is unknown; the message names the nearest known ones.
        """
        metric, maximise = self._ranked_by(metric, maximise)
        sign = -1.0 if maximise else 1.0
        values: dict[int, list[float]] = {}
        for record in self._ended():
            values.setdefault(record.trial, []).append(record.metrics[metric])
        scores = {trial: mean_or_worst([sign * v for v in vs]) for trial, vs in values.items()}
        trial = min(scores, key=lambda number: (scores[number], number))
        chosen = next(record for record in self.records if record.trial == trial)
        return Trial(trial, chosen.hyperparameters, sign * scores[trial], tuple(values[trial]))

    def replay(self, trial: int, seed: int) -> Replay:
        """Repeat one training alone, with its hyperparameters as plain numbers.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.

        Returns:
            The training, and its distance from the one in the population.

        Raises:
            ValueError: If there is no training of this trial and seed.
        """
        self._record(trial, seed)
        return self._replayed(self._results.outcome(trial, seed))

    def _ranked_by(self, metric: str | None, maximise: bool | None) -> Score:
        """The metric and direction, by default those of the problem."""
        name = self._score.metric if metric is None else metric
        if name not in (known := self.records[0].metrics):
            raise ValueError(nearest(name, known, what="metric"))
        if maximise is None:
            maximise = self._score.maximise and name == self._score.metric
        return Score(name, maximise)

    def _ended(self) -> list[Record]:
        """The records of trials that were not stopped; all records if every trial was."""
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
        """The records as a table: trial, seed, hyperparameters, status, steps and metrics.

        Returns:
            A data frame with a row a training. A hyperparameter that does not exist in a trial is
            a missing value; one with the name of another column, such as `loss`, becomes
            `hyperparameter/loss`, and a metric likewise `metric/steps`.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
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
        """Plot the metric against each number among the hyperparameters, and learning curves.

        Args:
            metric: Name of a metric of the records; None for the problem's metric.
            maximise: Whether larger is better; None chooses as `best` does.
            path: A file to save the figure to, whose suffix is the format; None saves nothing.

        Returns:
            A matplotlib figure; `pj.plots` has a function for each of its panels.

        Raises:
            ModuleNotFoundError: If matplotlib is not installed.
            OSError: If the file cannot be written.
            ValueError: If the metric or the format is unknown.
        """
        from paramjax.plots import overview

        metric, maximise = self._ranked_by(metric, maximise)
        return overview(
            self.records, self.space, metric, history=self.history, maximise=maximise, path=path
        )

    def parallel_coordinates(
        self, metric: str | None = None, *, maximise: bool | None = None
    ) -> PlotlyFigure:
        """Plot each trial as a line through its hyperparameters to its score.

        Args:
            metric: Name of a metric of the records; None for the problem's metric.
            maximise: Whether larger is better; None chooses as `best` does.

        Returns:
            A plotly figure, which a notebook shows; `figure.write_html("sweep.html")` writes a
            page that needs no network.

        Raises:
            ModuleNotFoundError: If plotly is not installed.
            ValueError: If the metric is unknown; the message names the nearest known ones.
        """
        from paramjax.plots import parallel_coordinates

        metric, maximise = self._ranked_by(metric, maximise)
        return parallel_coordinates(self.records, self.space, metric, maximise=maximise)
