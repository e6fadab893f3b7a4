"""The result of a sweep: records, parameters, histories and curves of all trainings."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from paramjax._checks import nearest
from paramjax._status import Status
from paramjax._types import ModelState, Params, PyTree
from paramjax.checkpoints._checkpoints import Checkpoints
from paramjax.populations._outcome import Outcome
from paramjax.populations._population import Population
from paramjax.populations._replay import Replay, replay
from paramjax.populations._trial_run import Record, mean_or_worst
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.runs._result import Fit
from paramjax.runs._validation import Validation
from paramjax.space._distribution import Space
from paramjax.tuning._folded import FoldPopulation
from paramjax.tuning._refit import refit
from paramjax.tuning._rounds import Rung, Score
from paramjax.tuning._travel import Packing
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
        value: Mean of the metric over the seeds, finite.
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
        folds: The fold that holds out each row, int32[rows]; None without folds.

    A sweep goes through `pickle`, cloudpickle and `copy.deepcopy` with its records, parameters,
    histories and curves. Functions do not: what comes out of `pickle` cannot replay or refit, and
    an option that pickle refuses, such as a lambda, has its name only.

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
        population: Population, score: Score,
    ) -> None:  # fmt: skip
        summaries = results.summaries()
        self.records = [summary.record for summary in summaries]
        self.folds = population.fold if isinstance(population, FoldPopulation) else None
        if self.folds is not None:
            count = self._fold_count()
            self.records = [
                r._replace(seed=r.seed // count, fold=r.seed % count) for r in self.records
            ]
        self.budget = Budget(
            trained=sum(summary.record.steps for summary in summaries),
            computed=sum(summary.computed for summary in summaries),
            full=len(summaries) * plan.steps,
        )
        self.space, self.plan, self.rungs = space, plan, rungs
        self._results, self._score = results, score
        self._population: Population | None = population

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

    def params_of(self, trial: int, seed: int, fold: int | None = None) -> Params:
        """Parameters to evaluate of one training.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.
            fold: Number of the fold, in a sweep with folds.

        Returns:
            Parameters like those of `init`.

        Raises:
            ValueError: If there is no training of this trial, seed and fold.
        """
        return self._outcome(trial, seed, fold).params

    def model_state_of(self, trial: int, seed: int, fold: int | None = None) -> ModelState:
        """The model state that belongs to `params_of(trial, seed, fold)`.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.
            fold: Number of the fold, in a sweep with folds.

        Returns:
            A model state like the initial one, `()` if the model has none.

        Raises:
            ValueError: If there is no training of this trial, seed and fold.
        """
        return self._outcome(trial, seed, fold).model_state

    def best(self, metric: str | None = None, *, maximise: bool | None = None) -> Trial:
        """The trial with the best mean over its seeds and folds, among those not stopped.

        Args:
            metric: Name of a metric of the records; None for the problem's metric.
            maximise: Whether larger is better; None takes `problem.maximise` for the problem's
                metric and False for others.

        Returns:
            The trial; ties go to the lower trial number.

        Raises:
            ValueError: If the metric is unknown; the message names the nearest known ones. If
                every trial has lost a training.
        """
        metric, maximise = self._ranked_by(metric, maximise)
        sign = -1.0 if maximise else 1.0
        values: dict[int, list[float]] = {}
        for record in self._ended():
            values.setdefault(record.trial, []).append(record.metrics[metric])
        scores = {trial: mean_or_worst([sign * v for v in vs]) for trial, vs in values.items()}
        trial = min(scores, key=lambda number: (scores[number], number))
        if not math.isfinite(scores[trial]):
            raise ValueError(
                f"best: no trial has a finite {metric!r} with each of its seeds; all {len(scores)} "
                "have lost one: try smaller rates, or look at records for what is left"
            )
        chosen = next(record for record in self.records if record.trial == trial)
        return Trial(trial, chosen.hyperparameters, sign * scores[trial], tuple(values[trial]))

    def replay(self, trial: int, seed: int, fold: int | None = None) -> Replay:
        """Repeat one training alone, with its hyperparameters as plain numbers.

        Args:
            trial: Number of the trial.
            seed: Number of the seed.
            fold: Number of the fold, in a sweep with folds.

        Returns:
            The training, and its distance from the one in the population.

        Raises:
            ValueError: If there is no training of this trial, seed and fold.
            RuntimeError: If this sweep came out of `pickle`, which leaves functions out.
        """
        outcome = self._outcome(trial, seed, fold)
        return replay(self._trained_by("replay"), outcome)

    def refit(
        self,
        data: PyTree = None,
        *,
        trial: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        validation: Validation | None = None,
        checkpoints: Checkpoints | None = None,
        progress: bool | None = None,
    ) -> Fit:
        """Train the best hyperparameters once more, by `fit`, on all data or on others.

        The run has the initial parameters and the key of one of the seeds, and the batch size of
        the problem.

        Args:
            data: Leaves [rows, ...]; None takes all rows of the problem's `data`.
            trial: Number of the trial whose hyperparameters are trained; None takes `best()`.
            seed: Number of the seed whose initial parameters and key it has.
            steps: Number of steps, positive; None takes those of the sweep.
            validation: See `fit`.
            checkpoints: See `fit`.
            progress: See `fit`.

        Returns:
            The run, with `params` and `model_state`.

        Raises:
            ValueError: If there is no such trial or seed, or see `fit`.
            TypeError: See `fit`.
            NonFiniteError: If a step was not finite.
            RuntimeError: If this sweep came out of `pickle`, which leaves functions out.

        Example:
            >>> import jax, jax.numpy as jnp, optax, paramjax as pj
            >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
            >>> result = pj.sweep(
            ...     lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
            ...     {"rate": pj.uniform(0.0, 1.0)},
            ...     pj.Problem(
            ...         init=lambda key: jnp.zeros(()), data=jnp.array([2.0, 3.0, 3.0, 4.0]),
            ...         evaluate=lambda params, batch: loss_fn(params, batch, None),
            ...     ),
            ...     trials=[{"rate": 0.1}, {"rate": 0.5}], seeds=1, steps=5, folds=4,
            ...     key=jax.random.key(0),
            ... )
            >>> result.best().hyperparameters, result.refit().params.tolist()
            ({'rate': 0.5}, 3.0)
        """
        population = self._trained_by("refit")
        trial = self.best().trial if trial is None else trial
        record = self._record(trial, seed, None if self.folds is None else 0)
        return refit(
            population, record.hyperparameters, data, seed=self._replicate(seed, record.fold),
            steps=steps, validation=validation, checkpoints=checkpoints, progress=progress,
        )  # fmt: skip

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

    def _record(self, trial: int, seed: int, fold: int | None) -> Record:
        for record in self.records:
            if (record.trial, record.seed, record.fold) == (trial, seed, fold):
                return record
        trials = max(record.trial for record in self.records) + 1
        seeds = max(record.seed for record in self.records) + 1
        folds = f", and a fold from 0 to {self._fold_count() - 1}" if self.folds is not None else ""
        asked = "" if fold is None else f", fold {fold}"
        if fold is not None and not folds:
            folds = ", and no fold: the sweep had none"
        raise ValueError(
            f"trial {trial}, seed {seed}{asked}: expected a trial from 0 to {trials - 1} and a "
            f"seed from 0 to {seeds - 1}{folds}"
        )

    def _outcome(self, trial: int, seed: int, fold: int | None) -> Outcome:
        self._record(trial, seed, fold)
        return self._results.outcome(trial, self._replicate(seed, fold))

    def _replicate(self, seed: int, fold: int | None) -> int:
        """The seed of the population that trained a seed and a fold."""
        return seed if fold is None else seed * self._fold_count() + fold

    def _fold_count(self) -> int:
        assert self.folds is not None
        return int(self.folds.max()) + 1

    def _trained_by(self, what: str) -> Population:
        if self._population is None:
            raise RuntimeError(
                f"{what}: this sweep came out of pickle, which leaves make_trainer and the problem "
                f"out; call {what} in the program that made it, or pj.sweep again with its store="
            )
        return self._population

    def __getstate__(self) -> dict[str, Any]:
        """All that goes through pickle; results of a file are read."""
        packing = Packing()
        state = self.__dict__ | {
            "records": [packing.record(record) for record in self.records],
            "space": packing.space(self.space),
            "plan": packing.plan(self.plan),
            "_population": None,
        }
        return state | {"_results": self._results.in_memory(packing.record)}

    def __copy__(self) -> Sweep:
        """A sweep that shares all with this one."""
        made = Sweep.__new__(Sweep)
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Sweep:
        """A sweep with records of its own; arrays are read anew anyway, and options are objects."""
        made = self.__copy__()
        made.records = [
            record._replace(
                hyperparameters=dict(record.hyperparameters), metrics=dict(record.metrics),
                curve=copy.deepcopy(record.curve, memo),
            )
            for record in self.records
        ]  # fmt: skip
        made.rungs, made.space = copy.deepcopy(self.rungs, memo), dict(self.space)
        return made

    def to_frame(self) -> pd.DataFrame:
        """The records as a table: trial, seed, fold, hyperparameters, status, steps and metrics.

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
