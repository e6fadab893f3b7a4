"""Search hyperparameters by training all trials and seeds as one program."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax.checks import check_count, check_key, nearest
from paramjax.data.validation import check_data
from paramjax.space import Space, check_space
from paramjax.sweep.designs import Design, sobol_design
from paramjax.sweep.engine import (
    Evaluate,
    Layout,
    MakeTrainer,
    Part,
    Population,
    prepare_starts,
    record_of,
)
from paramjax.sweep.runs import Record, Run
from paramjax.types import Key, Metrics, Params, PyTree

WIDTH = 64
"""Runs a program call at most: wide enough to fill a device, narrow enough to fit it."""


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


class Sweep(NamedTuple):
    """A population after its training.

    Attributes:
        records: One record a training, trial by trial and seed by seed.
        params: Parameters to evaluate, leaves [trainings, ...] in the order of `records`.
        history: Metric name -> [trainings, steps].
        curve: Metric name -> [trainings, evaluations].
    """

    records: list[Record]
    params: Params
    history: Metrics
    curve: Metrics

    def best(self, metric: str = "loss", *, maximise: bool = False) -> Trial:
        """The trial with the best mean over its seeds.

        Args:
            metric: A name among the records' metrics.
            maximise: Whether larger is better.

        Returns:
            The trial; among equals the one with the smallest number.

        Raises:
            ValueError: For an unknown metric, with the nearest known ones.
        """
        known = self.records[0].metrics
        if metric not in known:
            raise ValueError(nearest(metric, known, what="metric"))
        sign = -1.0 if maximise else 1.0
        values: dict[int, list[float]] = {}
        for record in self.records:
            values.setdefault(record.trial, []).append(record.metrics[metric])
        scores = {trial: _mean_or_worst([sign * v for v in vs]) for trial, vs in values.items()}
        trial = min(scores, key=lambda number: (scores[number], number))
        chosen = next(record for record in self.records if record.trial == trial)
        return Trial(trial, chosen.hyperparameters, sign * scores[trial], tuple(values[trial]))


def sweep(
    make_trainer: MakeTrainer,
    space: Space,
    *,
    init: Callable[[Key], Params],
    data: PyTree,
    trials: int | None = None,
    seeds: int,
    steps: int,
    key: Key,
    batch_size: int | None = None,
    evaluate: Evaluate | None = None,
    eval_data: PyTree = None,
    evaluations: int = 1,
    design: Design = sobol_design,
) -> Sweep:
    """Train trials x seeds as one vmapped program and compare them.

    Numbers among the hyperparameters are traced, so one program serves every value;
    anything else is structure and starts a program of its own. Trials with one seed
    share their initial parameters and their order of batches.

    Args:
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Hyperparameter name -> `log_uniform`, `uniform`, `integer`, `choice`, or one of
            them that is `conditional` on another hyperparameter.
        init: `(key) -> params`, compiled by itself.
        data: Training data, leaves [rows, ...].
        trials: Hyperparameters to draw; a `grid` counts its own.
        seeds: Trainings of each, from seed 0.
        steps: Steps of each training.
        key: A typed key; it names the trials, the starts and the orders.
        batch_size: Rows a step; None for all of them.
        evaluate: `(params, eval_data) -> metrics`, whose last values the records hold.
            Without it they hold the training metrics, averaged over the last tenth.
        eval_data: What `evaluate` is given.
        evaluations: How often to evaluate along a training.
        design: Which hyperparameters are tried: `sobol_design`, `random_design` or `grid(points)`.

    Returns:
        Records, parameters, histories and curves.

    Raises:
        TypeError: For a legacy key, a space that is none, or data that is not numeric.
        ValueError: For an rbg key, counts out of range, or data that is empty, NaN or of
            uneven length.

    Example:
        >>> import optax
        >>> from paramjax.space import log_uniform
        >>> from paramjax.train.step import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> result = sweep(
        ...     lambda hp: train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": log_uniform(1e-3, 0.5)},
        ...     init=lambda key: jax.random.normal(key), data=jnp.array([1.0, 3.0]),
        ...     trials=4, seeds=2, steps=20, key=jax.random.key(0),
        ... )
        >>> len(result.records), result.best().hyperparameters["learning_rate"] > 0.1
        (8, True)
    """
    check_key(key)
    space = check_space(space)
    check_data(data)
    for name, count in (("seeds", seeds), ("steps", steps)):
        check_count(name, count)
    design_key, run_key = jax.random.split(key)
    tried = design(space, trials, design_key)
    runs = [Run(t, s, hp) for t, hp in enumerate(tried) for s in range(seeds)]
    population = Population(
        make_trainer,
        space,
        starts=prepare_starts(init, run_key, range(seeds)),
        seeds=range(seeds),
        data=data,
        steps=steps,
        evaluate=evaluate,
        evaluations=evaluations,
        batch_size=batch_size,
    )
    return _train_all(population, runs, eval_data)


def _train_all(population: Population, runs: list[Run], eval_data: PyTree) -> Sweep:
    """Every chunk in turn, put back into the order of trials and seeds."""
    records: list[Record] = []
    parts: list[Part] = []
    layout = Layout(1, workers=2)
    with ThreadPoolExecutor(layout.workers) as pool:
        chunks = population.chunks(runs, layout)
        population.cohort(chunks[0][0], eval_data).compile(chunks[0][0], layout, eval_data)
        for part in pool.map(lambda chunk: population.train(chunk, layout, eval_data), chunks):
            records += [record_of(part, place) for place in range(len(part.runs))]
            parts.append(part)
    order = sorted(range(len(records)), key=lambda i: (records[i].trial, records[i].seed))

    def whole(name: str) -> PyTree:
        return jax.tree.map(
            lambda *leaves: jnp.asarray(np.concatenate(leaves)[order]),
            *[getattr(part, name) for part in parts],
        )

    return Sweep([records[i] for i in order], whole("params"), whole("history"), whole("curve"))


def _even_width(runs: int) -> int:
    """The width of equal calls, none wider than WIDTH."""
    return math.ceil(runs / math.ceil(runs / WIDTH))


def _mean_or_worst(values: list[float]) -> float:
    """The mean of numbers to be minimised, infinite if one of them is not finite."""
    return sum(values) / len(values) if all(map(math.isfinite, values)) else math.inf
