"""An Optuna study: check it, ask it for hyperparameters, tell it their scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax

from paramjax._checks import describe, needs_extra
from paramjax._types import Key
from paramjax.populations._population import Population
from paramjax.populations._problem import Problem
from paramjax.populations._trial_run import Record, TrialRun, mean_or_worst
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional, active, exists, unconditional
from paramjax.space._distribution import Distribution, Space
from paramjax.space._integer import Integer
from paramjax.space._options import option_name
from paramjax.space._ranges import LogUniform, Uniform
from paramjax.space._tracing import as_seen
from paramjax.tuning._preflight import check_metrics, check_structures, check_trainers, unread
from paramjax.tuning.designs._design import random_design
from paramjax.tuning.studies._claims import retry
from paramjax.tuning.studies._seals import SEAL, seal

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


_SAMPLE = 64
"""Random trials, one of which must read a hyperparameter."""


def check_study(study: Any, problem: Any, metrics: Any) -> list[str]:
    """The metrics that the study is told; raise if study, problem and metrics do not agree."""
    with needs_extra("tune"):
        import optuna

    if not isinstance(study, optuna.Study):
        raise TypeError(
            f"study: expected a study such as optuna.create_study() returns, got {describe(study)}"
        )
    if jax.process_count() > 1:
        raise ValueError(
            "study: each process of one jax.distributed program would ask for its own trials; "
            "start separate programs that share the storage of the study"
        )
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    names = [problem.metric] if metrics is None else metrics
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"metrics: expected a list of names or None, got {describe(metrics)}")
    directions = [direction.name.lower() for direction in study.directions]
    if len(names) != len(directions):
        raise ValueError(
            f"metrics: expected one name for each direction of the study, {directions}, got "
            f"{list(names)}"
        )
    direction = "maximize" if problem.maximise else "minimize"
    if names == [problem.metric] and directions != [direction]:
        raise ValueError(
            f"study: expected the direction {direction}, as the problem's maximise="
            f"{problem.maximise} says of {problem.metric!r}, got {directions[0]}"
        )
    return list(names)


def check_search(population: Population, metrics: Sequence[str], key: Key) -> None:
    """Raise if a trainer cannot be traced, a metric is missing, or a hyperparameter is not read."""
    drawn = random_design(_SAMPLE)(population.space, key)
    runs = [TrialRun(trial, 0, hyperparameters) for trial, hyperparameters in enumerate(drawn)]
    groups = check_structures(population, runs[:1])
    check_metrics(groups, metrics)
    for group in population.groups(runs):
        names = unread(population, groups, runs)
        if not names:
            return
        if any(name in group[0].hyperparameters for name in names):
            # another structure may read what the first does not
            groups += check_structures(population, group)
    check_trainers(population, runs)


_LABEL = 40
"""Most letters of an option's label; databases limit the length of all labels together."""


def suggested(trial: optuna.Trial | FrozenTrial, space: Space) -> dict[str, Any]:
    """The hyperparameters that a study suggests for a trial.

    A conditional one is suggested after its parent, and only where it exists: the define-by-run
    of Akiba et al. (2019, Optuna: a next-generation hyperparameter optimization framework, 3).
    """
    drawn: dict[str, Any] = {}
    for name in sorted(space, key=lambda name: _depth(space, name)):
        if exists(space, name, drawn):
            drawn[name] = as_seen(space, name, _named(trial, name, unconditional(space[name])))
    return active(space, drawn)


def _depth(space: Space, name: str) -> int:
    """The number of hyperparameters, itself included, on which one depends."""
    distribution = space[name]
    return 1 + _depth(space, distribution.parent) if isinstance(distribution, Conditional) else 0


def _named(trial: optuna.Trial | FrozenTrial, name: str, distribution: Distribution) -> Any:
    """A value of a hyperparameter; the study's errors get its name."""
    try:
        return _value(trial, name, distribution)
    except ValueError as error:
        raise ValueError(
            f"space: the study cannot suggest {name!r} from {distribution}: {error}; take another "
            "study for another space"
        ) from error


def _value(trial: optuna.Trial | FrozenTrial, name: str, distribution: Distribution) -> Any:
    if isinstance(distribution, Uniform | LogUniform):
        low, high = distribution.low, distribution.high
        return trial.suggest_float(name, low, high, log=distribution.logarithmic)
    if isinstance(distribution, Integer):
        low, high = distribution.low, distribution.high
        return trial.suggest_int(name, low, high, log=distribution.logarithmic)
    if isinstance(distribution, Choice):
        known = categories(distribution.options)
        return distribution.options[known.index(trial.suggest_categorical(name, known))]
    # a distribution of the user's own has a value at each probability
    return distribution.quantile(trial.suggest_float(name, 0.0, 1.0))


def categories(options: Sequence[Any]) -> list[Any]:
    """Options as a study stores them: as they are, or labels if one of them cannot be stored."""
    if all(option is None or isinstance(option, bool | int | float | str) for option in options):
        return list(options)
    return [f"{index}: {option_name(option)}"[:_LABEL] for index, option in enumerate(options)]


def tell(
    study: optuna.Study, trial: optuna.Trial, records: Sequence[Record], metrics: Sequence[str],
    search: str,
) -> bool:  # fmt: skip
    """Tell a study the mean over the seeds of each metric; return whether it has more to try.

    A trial with a lost seed or a mean that is not finite is told as pruned, because a study counts
    an infinite value as complete; with several objectives, which cannot be pruned, as failed.
    """
    from optuna.trial import TrialState

    attributes = _attributes(records)
    values = [mean_or_worst([record.metrics[name] for record in records]) for name in metrics]
    lost = any(record.diverged_step is not None for record in records)
    complete = not lost and all(map(math.isfinite, values))
    sealed = seal(trial.params, values if complete else None, attributes, search)
    for name, value in {**attributes, SEAL: sealed}.items():
        trial.set_user_attr(name, value)
    if complete:
        return _finished(study, trial, values=values)
    return _finished(
        study, trial, state=TrialState.PRUNED if len(metrics) == 1 else TrialState.FAIL
    )


def abandon(study: optuna.Study, trials: Iterable[optuna.Trial], *, again: bool = False) -> None:
    """Tell a study that trials have failed, except those that are finished; perhaps try again."""
    from optuna.trial import TrialState

    for trial in trials:
        known = study.get_trials(deepcopy=False)[trial.number]
        if again and known.state == TrialState.RUNNING:
            retry(study, known)
        _finished(study, trial, state=TrialState.FAIL, skip_if_finished=True)


def has_waiting(study: optuna.Study) -> bool:
    """Whether trials wait to be tried again."""
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _attributes(records: Sequence[Record]) -> dict[str, Any]:
    """The user attributes of a trial: results of each seed, as JSON, which has no NaN."""
    seeds = {
        name: [_number(record.metrics[name]) for record in records] for name in records[0].metrics
    }
    status = [str(record.status) for record in records]
    return {"seeds": seeds, "status": status, "diverged_step": [r.diverged_step for r in records]}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finished(study: optuna.Study, trial: optuna.Trial, **outcome: Any) -> bool:
    """Tell a result; return False if the sampler has nothing left to try."""
    try:
        study.tell(trial, **outcome)
    except RuntimeError as error:
        # a grid calls Study.stop after its last trial, which raises outside of Study.optimize
        if "Study.stop" not in str(error):
            raise
        return False
    return True
