"""Let an Optuna study search, and train what it proposes as populations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax

from paramjax._checks import check_count, check_key
from paramjax._types import Key
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import Problem
from paramjax.runs._progress import Progress
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning._new_population import new_population
from paramjax.tuning._progress import PopulationProgress
from paramjax.tuning._result import Sweep
from paramjax.tuning.studies._batches import Batches
from paramjax.tuning.studies._checks import check_search, check_study
from paramjax.tuning.studies._suggest import suggested
from paramjax.tuning.studies._tell import abandon, tell

if TYPE_CHECKING:
    import optuna


def search(
    study: optuna.Study,
    make_trainer: MakeTrainer,
    space: Space,
    problem: Problem,
    *,
    trials: int,
    batch: int,
    seeds: int,
    steps: int,
    key: Key,
    evaluations: int = 1,
    metrics: Sequence[str] | None = None,
    execution: Execution = Execution(),
) -> Sweep:
    """Ask an Optuna study for trials, train them batch by batch, and tell it how they did.

    The study chooses by its sampler (Akiba et al., 2019, Optuna: a next-generation
    hyperparameter optimization framework): within a batch without knowing how its trials do, then
    from all that was told. Each batch is trained as a population, by the same programs and from
    the same initial parameters, so trials with one seed share their start and their order of
    batches. The study is told the mean over the seeds of each metric; user attributes of a trial
    hold its `seeds` (name -> value of each), the `status` of each and its `diverged_step`.

    A trial that lost a seed is told as pruned, with several objectives as failed. What ends the
    search before its time, an interrupt too, leaves the trials of its batch as failed. Trials
    that others have running are left alone, so several processes or machines may share a study
    through its storage. The same sampler seed, key and `layout` give the same trials and values;
    without `layout` another one may be measured to be faster, and values differ by rounding.

    Args:
        study: What `optuna.create_study` or `optuna.load_study` returns; its directions say
            whether larger is better, its storage keeps the trials.
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Hyperparameter name -> distribution, see `sweep`. Options that a study cannot
            store, such as functions, are stored as labels.
        problem: What is learned, from what, and how it is judged: by its `metric`, in the direction
            of the study.
        trials: How many more to ask for, those before not counted.
        batch: How many of them are trained together.
        seeds: Trainings of each, from seed 0.
        steps: Steps of each training.
        key: A typed key; it names the starts and the orders.
        evaluations: How often to evaluate along a training, evenly spaced, positive.
        metrics: For a study of several directions a metric for each of them; None for the
            problem's metric.
        execution: How runs are laid out on the machine, and whether progress is shown.

    Returns:
        The trials of this call alone, numbered as in the study. They are fewer than asked for
        if the sampler has nothing left to try, such as a grid.

    Raises:
        ModuleNotFoundError: If Optuna is missing.
        TypeError: For what is no study, and see `sweep`.
        ValueError: If the number of metrics is not that of the directions, the study's direction
            is not the problem's, for an unknown metric,
            a space that trials of the study contradict, processes of one distributed program, and
            see `sweep`.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> import optuna
        >>> from paramjax import Problem, train_step, uniform
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> result = search(
        ...     study, lambda hp: train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": uniform(0.0, 0.5)},
        ...     Problem(init=jax.random.normal, data=jnp.array([1.0, 3.0])),
        ...     trials=8, batch=4, seeds=2, steps=5, key=jax.random.key(0),
        ... )
        >>> study.best_value == result.best().value, study.best_trial.number == result.best().trial
        (True, True)
    """
    names = check_study(study, problem, metrics)
    check_key(key)
    space = check_space(space)
    check_count("trials", trials)
    check_count("batch", batch)
    probe_key, run_key = jax.random.split(key)
    population = new_population(
        make_trainer, space, problem, seeds=seeds, steps=steps, key=run_key,
        evaluations=evaluations, devices=execution.devices,
    )  # fmt: skip
    check_search(population, names, probe_key)
    batches = Batches(population, names, trials, execution)
    metric = problem.metric if names == [problem.metric] else None
    showing = Progress(trials * seeds * steps, execution.progress, doing="choosing a layout")
    with showing as shown:
        progress = PopulationProgress(shown, trials * seeds, steps, metric, problem.maximise)
        for first in range(0, trials, batch):
            count = min(batch, trials - first)
            if not _ask_and_tell(study, space, count, batches, names, progress):
                break
    return batches.result()


def _ask_and_tell(
    study: optuna.Study,
    space: Space,
    count: int,
    batches: Batches,
    metrics: Sequence[str],
    progress: PopulationProgress,
) -> bool:
    """One batch; returns whether the study has more to try."""
    pending: list[optuna.Trial] = []
    try:
        batch: dict[int, dict[str, Any]] = {}
        for _ in range(count):
            pending.append(study.ask())
            batch[pending[-1].number] = suggested(pending[-1], space)
        records = batches.train(batch, progress)
        more = True
        while pending:
            more &= tell(study, pending[0], records[pending[0].number], metrics)
            del pending[0]
        return more
    except BaseException:
        abandon(study, pending)
        raise
