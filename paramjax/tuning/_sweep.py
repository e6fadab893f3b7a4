"""Search hyperparameters by training all trials and seeds as few programs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from paramjax._checks import check_key, nearest
from paramjax._types import Key, ModelState, Params, PyTree
from paramjax.populations._layout import Layout
from paramjax.populations._population import Evaluate, MakeTrainer, Population
from paramjax.populations._replay import replay
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._choose import make_plan
from paramjax.populations.planning._memory import MemoryLimit
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning._new_population import BatchSize, new_population
from paramjax.tuning._preflight import check_trainers
from paramjax.tuning._result import Sweep
from paramjax.tuning._results import Results
from paramjax.tuning._rounds import Score, train_rounds
from paramjax.tuning._stored import in_temporary_file, layout_in, noted_layouts, open_store
from paramjax.tuning.designs._design import Design
from paramjax.tuning.designs._sobol import sobol_design
from paramjax.tuning.stopping._schedule import Stopping
from paramjax.tuning.store._record_store import MemoryStore, RecordStore


def sweep(
    make_trainer: MakeTrainer,
    space: Space,
    *,
    init: Callable[..., Params],
    data: PyTree,
    trials: int | None = None,
    seeds: int,
    steps: int,
    key: Key,
    batch_size: BatchSize = None,
    evaluate: Evaluate | None = None,
    eval_data: PyTree = None,
    evaluations: int = 1,
    design: Design = sobol_design,
    stopping: Stopping | None = None,
    metric: str = "loss",
    maximise: bool = False,
    model_state: ModelState = (),
    stateful: bool = False,
    store: str | Path | None = None,
    memory: MemoryLimit = "auto",
    layout: Layout | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Sweep:
    """Train trials x seeds as few programs and compare them.

    Numbers among the hyperparameters are traced, so one program serves every value;
    anything else is structure and starts a program of its own. Trials with one seed
    share their initial parameters and their order of batches. A run that diverges stays as
    it was before the step that it was lost in, and changes nothing for the others.

    How the runs are laid out on the machine is chosen by measurement; `plan.describe()` of the
    result says how and why. The same layout gives the same bits; another one gives the same
    numbers up to rounding (1e-5 relative after 50 steps of the digits MLP).

    Args:
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Hyperparameter name -> `log_uniform`, `uniform`, `integer`, `choice`, or one of
            them that is `conditional` on another hyperparameter.
        init: `(key) -> params`, compiled by itself; `(key, hyperparameters) -> params` where the
            parameters depend on structural hyperparameters.
        data: Training data, leaves [rows, ...].
        trials: Hyperparameters to draw; a `grid` counts its own.
        seeds: Trainings of each, from seed 0.
        steps: Steps of each training.
        key: A typed key; it names the trials, the starts and the orders.
        batch_size: Rows a step; None for all of them; or `(hyperparameters) -> rows`.
        evaluate: `(params, eval_data) -> metrics`, whose last values the records hold.
            Without it they hold the training metrics, averaged over the last tenth. With
            `stateful`, `(params, model_state, eval_data) -> metrics`. It may take the
            structural hyperparameters as one more argument.
        eval_data: What `evaluate` is given.
        evaluations: How often to evaluate along a training.
        design: Which hyperparameters are tried: `sobol_design`, `random_design` or `grid(points)`.
        stopping: Which trials are stopped early: `successive_halving()`, `hyperband()`,
            `median_stopping()`; None trains all to the end.
        metric: What `stopping` judges by, a name among the records' metrics.
        maximise: Whether a larger one is better.
        model_state: What a stateful model starts with.
        stateful: Whether `evaluate` takes the model state, see `train_step`.
        store: A folder, in which `records.sqlite` keeps every chunk of trainings as it ends; the
            same sweep started again goes on from there. None keeps all in memory.
        memory: Bytes that may be taken, by the process on a CPU and on the device elsewhere;
            `auto` for most of what is free.
        layout: How runs are laid out, if it is not to be chosen.
        devices: Which devices share the runs; None for all there are.

    Returns:
        Records, parameters, histories and curves.

    Raises:
        TypeError: For a legacy key, a space that is none, or data that is not numeric.
        ValueError: For an rbg key, counts out of range, data that is empty, NaN or of
            uneven length, hyperparameters that are never read or on which the structure of the
            trainer depends although they are traced, too little memory, or a store of another
            sweep.
        DamagedError: If the store is damaged.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from paramjax import log_uniform
        >>> from paramjax import train_step
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
    design_key, run_key = jax.random.split(key)
    tried = design(space, trials, design_key)
    runs = [TrialRun(t, s, hp) for t, hp in enumerate(tried) for s in range(seeds)]
    schedule = None if stopping is None else stopping(len(tried), steps)
    population = new_population(
        make_trainer, space, init=init, data=data, seeds=seeds, steps=steps, key=run_key,
        batch_size=batch_size, evaluate=evaluate, evaluations=evaluations,
        rungs=() if schedule is None else schedule.rungs,
        model_state=model_state, stateful=stateful, devices=devices,
    )  # fmt: skip
    check_trainers(population, runs, eval_data)
    if stopping is not None:
        _check_metric(population, runs[0], eval_data, metric)
    record_store: RecordStore | None = None
    if store is not None:
        judged = f"{stopping!r} by {'largest' if maximise else 'smallest'} {metric}"
        judged = judged if stopping else "none"
        record_store = open_store(store, population, tried, key, eval_data, judged)
    known = layout_in({} if record_store is None else record_store.notes())
    plan = make_plan(
        population, runs, eval_data, memory=memory, on_disk=record_store is not None,
        layout=lambda fixed: layout or known(fixed), noted=layout is None,
    )  # fmt: skip
    if record_store is None:
        record_store = (
            in_temporary_file(population, tried, eval_data) if plan.on_disk else MemoryStore()
        )
    record_store.note(noted_layouts(plan))
    rungs = train_rounds(
        population, plan, record_store, runs, eval_data,
        schedule=schedule, score=Score(metric, maximise),
    )  # fmt: skip
    results = Results(record_store, runs, steps, population.points)
    return Sweep(space, plan, rungs, results, functools.partial(replay, population))


def _check_metric(population: Population, run: TrialRun, eval_data: PyTree, metric: str) -> None:
    """Refuse a metric to judge by that there will not be."""
    task = population.structure_group(run, eval_data).traced
    known = task.evaluate.out or task.step.out[1]
    if metric not in known:
        raise ValueError(nearest(metric, known, what="metric"))
