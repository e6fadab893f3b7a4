"""Search hyperparameters by training all trials and seeds as few programs."""

from __future__ import annotations

import functools
from pathlib import Path

import jax

from paramjax._checks import check_key
from paramjax._types import Key
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import Problem
from paramjax.populations._replay import replay
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._choose import make_plan
from paramjax.runs._progress import Progress
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning._new_population import new_population
from paramjax.tuning._preflight import check_metrics, check_trainers
from paramjax.tuning._progress import PopulationProgress
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
    problem: Problem,
    *,
    trials: int | Design,
    seeds: int,
    steps: int,
    key: Key,
    evaluations: int = 1,
    stopping: Stopping | None = None,
    store: str | Path | None = None,
    fresh: bool = False,
    execution: Execution = Execution(),
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
        problem: What is learned, from what, and how it is judged.
        trials: How many trials a `sobol_design` spreads over the space, positive; or another
            design: `pj.tuning.random_design(64)`, `pj.tuning.grid(5)`, or your own
            `(space, key) -> hyperparameters of each trial`.
        seeds: Trainings of each trial, positive, from seed 0.
        steps: Steps of each training, positive.
        key: A typed key; it names the trials, the starts and the orders.
        evaluations: How often to evaluate along a training, evenly spaced, positive.
        stopping: Which trials are stopped early, judged by the problem's metric:
            `pj.tuning.successive_halving()`, `hyperband()`, `median_stopping()`; None trains all
            to the end.
        store: A folder, in which `records.sqlite` keeps every chunk of trainings as it ends; the
            same call goes on from there, another sweep is refused. None keeps all in memory.
        fresh: Whether to delete what the store holds and start over.
        execution: How runs are laid out on the machine, and whether progress is shown.

    Returns:
        Records, parameters, histories and curves.

    Raises:
        TypeError: For a legacy key, or a space, problem, data or design of another type.
        ValueError: For an rbg key, counts out of range, data that is empty, NaN or of
            uneven length, hyperparameters that are never read or on which the structure of the
            trainer depends although they are traced, too little memory, or a store of another
            sweep.
        DamagedError: If the store is damaged.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from paramjax import Problem, log_uniform, train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> result = sweep(
        ...     lambda hp: train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": log_uniform(1e-3, 0.5)},
        ...     Problem(init=jax.random.normal, data=jnp.array([1.0, 3.0])),
        ...     trials=4, seeds=2, steps=20, key=jax.random.key(0),
        ... )
        >>> len(result.records), result.best().hyperparameters["learning_rate"] > 0.1
        (8, True)
    """
    check_key(key)
    space = check_space(space)
    design_key, run_key = jax.random.split(key)
    tried = (trials if callable(trials) else sobol_design(trials))(space, design_key)
    runs = [TrialRun(t, s, hp) for t, hp in enumerate(tried) for s in range(seeds)]
    schedule = None if stopping is None else stopping(len(tried), steps)
    population = new_population(
        make_trainer, space, problem, seeds=seeds, steps=steps, key=run_key,
        evaluations=evaluations, rungs=() if schedule is None else schedule.rungs,
        devices=execution.devices,
    )  # fmt: skip
    score = Score(problem.metric, problem.maximise)
    groups = check_trainers(population, runs)
    if schedule is not None or score != Score():
        check_metrics(groups, [score.metric])
    record_store: RecordStore | None = None
    if store is not None:
        rule = "none" if stopping is None else f"{stopping!r} by {score}"
        record_store = open_store(store, population, tried, key, rule, fresh=fresh)
    elif fresh:
        raise ValueError("fresh: without a store there is nothing to start over; pass one")
    known = layout_in({} if record_store is None else record_store.notes())
    showing = Progress(len(runs) * steps, execution.progress, doing="choosing a layout")
    with showing as progress:
        plan = make_plan(
            population, runs, memory=execution.memory, on_disk=record_store is not None,
            layout=lambda fixed: execution.layout or known(fixed), noted=execution.layout is None,
        )  # fmt: skip
        if record_store is None:
            record_store = in_temporary_file(population, tried) if plan.on_disk else MemoryStore()
        record_store.note(noted_layouts(plan))
        rungs = train_rounds(
            population, plan, record_store, runs, schedule=schedule, score=score,
            progress=PopulationProgress(progress, len(runs), steps, *score),
        )  # fmt: skip
    results = Results(record_store, runs, steps, population.evaluation_steps)
    return Sweep(space, plan, rungs, results, functools.partial(replay, population), score)
