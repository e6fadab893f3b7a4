"""`sweep`: train all trials and seeds as few programs, and compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paramjax._checks import check_key
from paramjax._files import absolute_path
from paramjax._host_keys import split_key
from paramjax._types import Array, Key
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import Problem
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._choose import make_plan
from paramjax.runs._interrupt import ending
from paramjax.runs._progress import Progress
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning._preflight import check_metrics, check_trainers, new_population
from paramjax.tuning._progress import PopulationProgress
from paramjax.tuning._result import Sweep
from paramjax.tuning._rounds import Score, train_rounds
from paramjax.tuning._stored import held, in_temporary_file, layout_in, noted_layouts, open_store
from paramjax.tuning.designs._design import Design, tried
from paramjax.tuning.stopping._schedule import Stopping, schedule_of
from paramjax.tuning.store._record_store import MemoryStore, RecordStore, Results


def sweep(
    make_trainer: MakeTrainer,
    space: Space,
    problem: Problem,
    *,
    trials: int | Design | Sequence[Mapping[str, Any]],
    seeds: int,
    steps: int,
    key: Key,
    evaluations: int = 1,
    stopping: Stopping | None = None,
    store: str | Path | None = None,
    fresh: bool = False,
    folds: int | Array | np.ndarray | None = None,
    stratify: Any = None,
    execution: Execution = Execution(),
) -> Sweep:
    """Train every trial with every seed, as few compiled programs, and compare the trials.

    Numbers among the hyperparameters are traced, so one program serves all their values; other
    hyperparameters are structure, and each of their values compiles a program of its own. All
    trials share the initial parameters and the order of batches of a seed. A training that
    diverges keeps the parameters from before the step that lost it, and changes no other one.

    The layout of the trainings on the machine is chosen by measurement; `result.plan.describe()`
    says which and why. The same layout gives the same bits; other layouts give the same numbers
    up to rounding (1e-5 relative after 50 steps of the digits MLP).

    Args:
        make_trainer: `(hyperparameters) -> Trainer`, such as
            `lambda hp: pj.train_step(loss_fn, optax.adam(hp["learning_rate"]))`.
        space: Hyperparameter name -> `log_uniform`, `uniform`, `integer` or `choice`, or one of
            these that is `conditional` on another hyperparameter.
        problem: What is learned, from which data, and which metric decides.
        trials: Number of trials that a `sobol_design` spreads over the space, positive; or another
            design, such as `pj.tuning.random_design(64)`, `pj.tuning.grid(5)` or your own
            `(space, key) -> list of hyperparameters`; or that list itself.
        seeds: Trainings of each trial, positive; their seeds are 0, 1, ...
        steps: Steps of each training, positive.
        key: A typed key; it names the trials, the initial parameters and the orders of batches.
        evaluations: Number of evaluations during each training, evenly spaced, positive.
        stopping: A rule that stops trials early by the problem's metric:
            `pj.tuning.successive_halving()`, `pj.tuning.hyperband()` or
            `pj.tuning.median_stopping()`; None trains every trial to the end.
        store: A folder whose `records.sqlite` keeps each chunk of trainings as it ends. The same
            call with the same folder goes on from there. None keeps the results in memory.
        fresh: Whether to delete the results in `store` and start over.
        folds: Number of folds, at least 2, or the fold of each row, int[rows], from 0 without a
            gap: each trial and seed is trained once for each fold, without its rows, and
            evaluated on them; `problem.eval_data` must be None. Seed 0 has the keys of
            `cross_validate(..., key=jax.random.split(key)[1])`. None trains on all rows.
        stratify: Class labels [rows] that are spread evenly over the folds, see `pj.data.folds`.
        execution: Memory, layout, devices and progress bar, a `pj.Execution`.

    Returns:
        Records, parameters, histories and curves of all trainings.

    Raises:
        TypeError: If the key is a legacy one, or an argument is of another type than described.
        ValueError: If a count is out of range; the data are empty, not finite or of uneven length;
            a trial lies outside of the space; nothing depends on a hyperparameter; the structure
            of the trainer depends on a traced number; the problem's metric is not reported;
            memory does not suffice; or `fresh` is set without a store.
        StoreMismatchError: If the store holds a sweep with other inputs, which the message names,
            or was written by another version.
        DamagedError: If the store is damaged, or rows of it were deleted.
        StoreUnavailableError: If the store is whole, but locked, not writable or on a full disk.
        RunInUse: If another sweep adds to the store.

    Example:
        >>> import jax
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
    if store is not None:
        absolute_path("store", store)
    if fresh and store is None:
        raise ValueError("fresh: expected a store to start over; pass store= too, or drop fresh")
    design_key, run_key = split_key(key)
    drawn = tried(trials, space, design_key)
    schedule = None if stopping is None else schedule_of(stopping, len(drawn), steps)
    population = new_population(
        make_trainer, space, problem, seeds=seeds, steps=steps, key=run_key,
        evaluations=evaluations, rungs=() if schedule is None else schedule.rungs,
        execution=execution, folds=folds, stratify=stratify,
    )  # fmt: skip
    runs = [TrialRun(t, s, hp) for t, hp in enumerate(drawn) for s in population.seeds]
    score = Score(problem.metric, problem.maximise)
    groups = check_trainers(population, runs)
    if schedule is not None or score != Score():
        check_metrics(groups, [score.metric])
    rule = "none" if stopping is None else f"{stopping!r} by {score}"
    showing = Progress(len(runs) * steps, execution.progress, doing="choosing a layout")
    kept = "nothing was saved, for there is no store"
    if store is not None:
        kept = f"what is done is kept in {store}, and the same call goes on"
    with ending("sweep", kept), held(store), showing as progress:
        record_store: RecordStore | None = None
        if store is not None:
            record_store = open_store(store, population, drawn, key, rule, fresh=fresh)
        known = layout_in(space, {} if record_store is None else record_store.notes())
        plan = make_plan(
            population, runs, memory=execution.memory, on_disk=record_store is not None,
            layout=lambda fixed: execution.layout or known(fixed), noted=execution.layout is None,
        )  # fmt: skip
        if record_store is None:
            record_store = in_temporary_file(population, drawn) if plan.on_disk else MemoryStore()
        record_store.note(noted_layouts(space, plan))
        rungs = train_rounds(
            population, plan, record_store, runs, schedule=schedule, score=score,
            progress=PopulationProgress(progress, len(runs), steps, *score),
        )  # fmt: skip
    results = Results(record_store, runs, steps, len(population.evaluation_steps))
    return Sweep(space, plan, rungs, results, population, score)
