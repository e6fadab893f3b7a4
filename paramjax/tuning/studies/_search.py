"""`search`: an Optuna study proposes trials, which are trained as populations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paramjax._checks import check_count, check_key
from paramjax._host_keys import split_key
from paramjax._types import Key
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import Problem
from paramjax.runs._interrupt import ending
from paramjax.runs._progress import Progress
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning._preflight import new_population
from paramjax.tuning._progress import PopulationProgress
from paramjax.tuning._result import Sweep
from paramjax.tuning.studies._batches import Batches
from paramjax.tuning.studies._claims import ask, claiming, retry_orphans
from paramjax.tuning.studies._identity import Identity
from paramjax.tuning.studies._seals import check_seals, note_told, readable
from paramjax.tuning.studies._storage import explained_storage
from paramjax.tuning.studies._study import (
    abandon,
    check_search,
    check_study,
    has_waiting,
    suggested,
    tell,
)

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
    """Ask an Optuna study for trials, train them batch by batch, and tell it their scores.

    The study's sampler proposes a batch of trials from the scores of all batches before (Akiba et
    al., 2019, Optuna: a next-generation hyperparameter optimization framework). Each batch is
    trained as a population: all batches share compiled programs, and all trials share the initial
    parameters and the order of batches of a seed. The study is told the mean over the seeds of
    each metric. User attributes of a trial hold the metrics of all `seeds`, their `status`, their
    `diverged_step`, and a hash of what was told, so that the next search notices trials that were
    changed.

    A study belongs to the search that first asks it: the study notes the key, data, space, steps,
    seeds, metrics and programs, and a search with others is refused, because its values could not
    be compared. Trials that you told the study yourself are welcome.

    A trial that diverged with one of its seeds is told as pruned, or as failed if the study has
    several objectives. If an error or an interrupt ends the search, the trials of the current
    batch are told as failed. What was interrupted is tried first by the next search, and so is
    what a killed search of this machine left running in a file (SQLite, or a journal). Trials
    that other processes run are left alone, so several processes or machines can share a study
    through its storage. The same sampler seed, `key` and layout give
    the same trials and values; a layout chosen by measurement may change them by rounding.

    Args:
        study: A study of `optuna.create_study` or `optuna.load_study`, whose storage keeps the
            trials.
        make_trainer: `(hyperparameters) -> Trainer`, see `sweep`.
        space: Hyperparameter name -> distribution, see `sweep`. Options that a study cannot
            store, such as functions, are stored as labels.
        problem: What is learned, from which data, and which metric decides; the direction of the
            study must be that of `problem.maximise`.
        trials: Number of trials to ask for, positive, besides those that the study has already.
        batch: Trials that are asked for and trained together, positive.
        seeds: Trainings of each trial, positive; their seeds are 0, 1, ...
        steps: Steps of each training, positive.
        key: A typed key; it names the initial parameters and the orders of batches.
        evaluations: Number of evaluations during each training, evenly spaced, positive.
        metrics: A metric for each direction of a study with several; None for the problem's
            metric.
        execution: Memory, layout, devices and progress bar, a `pj.Execution`.

    Returns:
        The trials of this call, numbered as in the study; fewer than `trials` if the sampler has
        nothing left to try, as a grid sampler.

    Raises:
        ModuleNotFoundError: If Optuna is not installed.
        TypeError: If `study` is not a study, `metrics` is not a list of names, or see `sweep`.
        ValueError: If the study has another number of directions than there are metrics, or
            another direction than the problem; if a metric is not reported; in a
            `jax.distributed` program; or see `sweep`.
        StoreMismatchError: If the study, or a trial of it, belongs to a search with other inputs,
            which the message names; more trials or another `batch` are the same search.
        StoreUnavailableError: If the file of the study is locked, not writable or on a full disk.
        DamagedError: If the file of the study is damaged, or trials were changed or deleted.

    Example:
        >>> import jax
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
    probe_key, run_key = split_key(key)
    population = new_population(
        make_trainer, space, problem, seeds=seeds, steps=steps, key=run_key,
        evaluations=evaluations, execution=execution,
    )  # fmt: skip
    check_search(population, names, probe_key)
    identity = Identity(population, names, key)
    batches = Batches(population, names, trials, execution)
    metric = problem.metric if names == [problem.metric] else None
    showing = Progress(trials * seeds * steps, execution.progress, doing="choosing a layout")
    kept = "trials that ended are in the study, and the same call goes on"
    with (
        ending("search", kept),
        explained_storage(study),
        claiming(study) as claimed,
        showing as shown,
    ):
        with readable(study):
            check_seals(study)
        identity.require(study)
        retry_orphans(study)
        progress = PopulationProgress(shown, trials * seeds, steps, metric, problem.maximise)
        for first in range(0, trials, batch):
            count = min(batch, trials - first)
            if not _ask_and_tell(study, space, count, batches, names, progress, claimed, identity):
                break
    return batches.result()


def _ask_and_tell(
    study: optuna.Study,
    space: Space,
    count: int,
    batches: Batches,
    metrics: Sequence[str],
    progress: PopulationProgress,
    claimed: str | None,
    identity: Identity,
) -> bool:
    """Train one batch; return whether the study has more to try."""
    pending: list[optuna.Trial] = []
    try:
        batch: dict[int, dict[str, Any]] = {}
        for _ in range(count):
            with readable(study):
                pending.append(ask(study, claimed))
            batch[pending[-1].number] = suggested(pending[-1], space)
        identity.meet(study, batch.values())
        records = batches.train(batch, progress)
        more = True
        while pending:
            more &= tell(study, pending[0], records[pending[0].number], metrics, identity.text)
            del pending[0]
        note_told(study)
        return more or has_waiting(study)
    except BaseException as error:
        abandon(study, pending, again=not isinstance(error, Exception))
        raise
